//! Numbers and words in a picture: units, ticks, widths.

/// Font size of ticks, in pixels.
pub(super) const TICK: f64 = 11.5;
/// Font size of axis titles and names, in pixels.
pub(super) const NAME: f64 = 13.0;

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    #[default]
    Plain,
    /// A share of 1, in percent.
    Percent,
    /// A difference of shares, in percentage points with its sign.
    Points,
    /// How many.
    Count,
}

impl Unit {
    /// A value with its unit, three significant digits or one decimal of a percent; a dash where there is none.
    ///
    /// ```
    /// # use mera_lab::viz::Unit;
    /// assert_eq!(Unit::Plain.write(0.041666), "0.0417");
    /// assert_eq!(Unit::Percent.write(0.813), "81.3 %");
    /// assert_eq!(Unit::Points.write(-0.021), "−2.1 pp");
    /// assert_eq!(Unit::Count.write(1234.0), "1234");
    /// assert_eq!(Unit::Plain.write(f64::NAN), "—");
    /// ```
    pub fn write(self, value: f64) -> String {
        if !value.is_finite() {
            return "—".to_owned();
        }
        match self {
            Unit::Plain => significant(value, 3),
            Unit::Percent => format!("{} %", fixed(100.0 * value, 1)),
            Unit::Points => format!("{} pp", signed(fixed(100.0 * value, 1))),
            Unit::Count => fixed(value, 0),
        }
    }

    /// A tick's value, with as many decimals as ticks `step` apart need.
    pub(super) fn tick(self, value: f64, step: f64) -> String {
        let scaled = match self {
            Unit::Percent | Unit::Points => 100.0,
            Unit::Plain | Unit::Count => 1.0,
        };
        let (value, step) = (scaled * value, scaled * step);
        if !value.is_finite() || !step.is_finite() || step <= 0.0 {
            return self.write(value);
        }
        let magnitude = value.abs().max(step);
        let text = if self != Unit::Percent && !(1e-4..1e6).contains(&magnitude) {
            significant(value, 2)
        } else {
            fixed(value, (-step.log10().floor()).clamp(0.0, 9.0) as usize)
        };
        match self {
            Unit::Percent => format!("{text} %"),
            Unit::Points => signed(text),
            Unit::Plain | Unit::Count => text,
        }
    }

    /// A header's or an axis' title: the quantity and, where ticks don't carry it, its unit.
    pub(super) fn title(self, quantity: &str) -> String {
        match self {
            Unit::Points => format!("{quantity} (percentage points)"),
            Unit::Plain | Unit::Percent | Unit::Count => quantity.to_owned(),
        }
    }
}

/// With this many significant digits, without trailing zeros, in powers of ten below 0.0001 and from a million.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "—".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = digits.max(1);
    let exponent = format!("{:.*e}", digits - 1, value.abs());
    let power: i32 = exponent.split('e').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
    if !(-4..6).contains(&power) {
        let mantissa = exponent.split('e').next().map(trim).unwrap_or_default();
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{mantissa}e{}", power.to_string().replace('-', "−"));
    }
    let decimals = (digits as i32 - 1 - power).max(0) as usize;
    trim(&fixed(value, decimals))
}

/// With this many decimals and a true minus; never "−0".
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

fn signed(text: String) -> String {
    match text.starts_with('−') || text.chars().all(|c| c == '0' || c == '.') {
        true => text,
        false => format!("+{text}"),
    }
}

/// A sentence of ours: its first letter, where it is one of ASCII, made large.
pub(super) fn capital(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn trim(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// Round values, `step` apart, of which the first is at most `low` and the last at least `high`; about `count` of
/// them. Steps are 1, 2 or 5 times a power of ten.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ticks {
    /// Ascending, at least two.
    pub(super) values: Vec<f64>,
    /// From one to the next.
    pub(super) step: f64,
}

impl Ticks {
    /// Around a range. What isn't finite, or is empty, becomes the nearest range that is neither.
    pub(super) fn around(low: f64, high: f64, count: usize) -> Self {
        let bound = |x: f64| if x.is_nan() { 0.0 } else { x.clamp(-1e300, 1e300) };
        let (low, high) = (bound(low).min(bound(high)), bound(low).max(bound(high)));
        let smallest = (low.abs().max(high.abs()) * 1e-9).max(1e-12);
        let (low, high) = match high - low < smallest {
            true if low == 0.0 => (0.0, 1.0),
            true => (low - 0.1 * low.abs(), high + 0.1 * high.abs()),
            false => (low, high),
        };
        let raw = (high - low) / count.max(1) as f64;
        let power = 10_f64.powi(raw.log10().floor() as i32);
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw * 0.999).unwrap_or(raw);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let steps = (last - first).clamp(1.0, 1000.0) as usize;
        Self { values: (0..=steps).map(|i| (first + i as f64) * step).collect(), step }
    }

    /// Like [`Ticks::around`], for values that only come whole.
    pub(super) fn whole(low: f64, high: f64, count: usize) -> Self {
        let ticks = Self::around(low, high, count);
        if ticks.step >= 1.0 {
            return ticks;
        }
        let (low, high) = (low.floor(), high.ceil().max(low.floor() + 1.0));
        Self::around(low, high, (high - low) as usize)
    }

    /// The first.
    pub(super) fn low(&self) -> f64 {
        self.values.first().copied().unwrap_or(0.0)
    }

    /// The last.
    pub(super) fn high(&self) -> f64 {
        self.values.last().copied().unwrap_or(1.0)
    }
}

/// About how wide a text of this size is, in pixels, in a Helvetica-like face.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '!' | '·' => 0.31,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '→' => 0.88,
        'A'..='Z' => 0.68,
        c if (c as u32) > 0x2e80 => 1.0,
        _ => 0.58,
    };
    size * text.chars().map(em).sum::<f64>()
}

/// As much of a text as fits into a width, with an ellipsis where something is left out.
pub(super) fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept, size) + 0.9 * size > width {
            kept.pop();
            break;
        }
    }
    kept.trim_end().to_owned() + "…"
}

/// A text in as many lines as it needs to fit into a width.
pub(super) fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + 0.3 * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_the_digits_that_were_asked_for() {
        assert_eq!(significant(0.041666, 3), "0.0417");
        assert_eq!(significant(99.96, 3), "100");
        assert_eq!(significant(1234.5, 3), "1234");
        assert_eq!(significant(-0.5, 3), "−0.5");
        assert_eq!(significant(0.000012345, 3), "1.23e−5");
        assert_eq!(significant(7.2e9, 2), "7.2e9");
        assert_eq!(significant(f64::INFINITY, 3), "—");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!(Unit::Points.write(0.0), "0.0 pp");
        assert_eq!(Unit::Points.write(0.034), "+3.4 pp");
        assert_eq!(Unit::Percent.tick(0.25, 0.25), "25 %");
        assert_eq!(Unit::Plain.tick(0.30000000000000004, 0.1), "0.3");
    }

    #[test]
    fn ticks_are_the_ones_a_person_would_choose() {
        assert_eq!(Ticks::around(0.0, 1.0, 5).values.len(), 6);
        assert_eq!(Ticks::around(0.0, 0.73, 4).high(), 0.8);
        assert_eq!(Ticks::around(0.0, 0.0, 5).values.first(), Some(&0.0));
        assert_eq!(Ticks::whole(0.0, 3.0, 10).step, 1.0);
    }

    #[test]
    fn a_text_is_cut_to_its_width() {
        assert_eq!(fitted("sst2", 12.0, 100.0), "sst2");
        let cut = fitted("a rather long name of an adapter", 12.0, 80.0);
        assert!(cut.ends_with('…') && text_width(&cut, 12.0) <= 84.0, "{cut}");
    }

    #[test]
    fn a_text_is_broken_between_words() {
        assert_eq!(wrapped("thickness is mass", 12.0, 70.0), ["thickness", "is mass"]);
        assert_eq!(wrapped("thickness is mass", 12.0, 700.0), ["thickness is mass"]);
    }

    proptest! {
        #[test]
        fn ticks_cover_the_range_in_even_steps(low in -1e6_f64..1e6, span in 0.0_f64..1e6, count in 1_usize..12) {
            let ticks = Ticks::around(low, low + span, count);
            let slack = 1e-6 * ticks.step;
            prop_assert!(ticks.low() <= low + slack && ticks.high() >= low + span - slack);
            prop_assert!(ticks.values.len() >= 2 && ticks.values.len() <= count + 3, "{ticks:?}");
            for pair in ticks.values.windows(2) {
                prop_assert!((pair[1] - pair[0] - ticks.step).abs() < slack.max(1e-9 * low.abs()));
            }
        }

        #[test]
        fn no_range_is_too_odd(low in any::<f64>(), high in any::<f64>(), count in 0_usize..20) {
            let ticks = Ticks::around(low, high, count);
            prop_assert!(ticks.step > 0.0 && ticks.values.iter().all(|v| v.is_finite()));
        }
    }
}
