//! Numbers that a person or a link gives.

/// The number that `text` says in decimal digits, with or without an exponent; `None` for anything else, and for what
/// is too large.
#[must_use]
pub fn read(text: &str) -> Option<f64> {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let is_written = text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit());
    is_written.then(|| parsed(text)).filter(|number| number.is_finite())
}

/// The browser reads the same numbers as the standard library, whose tables are a fiftieth of the page.
#[cfg(target_arch = "wasm32")]
fn parsed(text: &str) -> f64 {
    wasm_bindgen::JsValue::from_str(text).unchecked_into_f64()
}

#[cfg(not(target_arch = "wasm32"))]
fn parsed(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_number_is_read() {
        for (text, number) in [("0.001", 0.001), ("1e-3", 0.001), ("+5", 5.0), ("-.5", -0.5), ("2E+3", 2000.0)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for text in ["", "e", "1e", "1-2", "0x10", "inf", "NaN", "1e999", "1 2", "1,5", "--1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
