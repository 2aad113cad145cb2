//! Colour by role: a scene says what a colour means, the palette says which it is.
//!
//! - **Adapters:** Okabe and Ito's eight colours, told apart by people with any kind of colour vision ("Color Universal
//!   Design", 2008). On light ground, the four that are too pale for a line (less than 3:1) are darkened at the same hue.
//! - **Sequential:** Crameri's *devon* from white on light ground and *oslo* from black on dark: perceptually uniform,
//!   monotone in lightness, so that nothing is drawn as nothing and the most as what stands out most.
//! - **Diverging:** Crameri's *vik* (white in the middle) on light ground and *berlin* (black in the middle) on dark.
//!   (F. Crameri, "Scientific colour maps", MIT licence, doi:10.5281/zenodo.1243862; why:
//!   "The misuse of colour in science communication", Nature Communications 11, 2020.)
//!
//! The scales are sampled at even steps and joined linearly in sRGB, at most 3/255 from the originals.

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Text, and what matters.
    Ink,
    /// Quieter text.
    Ink2,
    /// What the page stands on.
    Ground,
    /// A raised surface.
    Panel,
    /// Rules and grid lines.
    Line,
    /// What can be pressed, and what is selected.
    Accent,
    /// The adapter with this number, counted from 0.
    Adapter(usize),
    /// The merged adapter.
    Merged,
    /// From 0, nothing, to 1, the most.
    Sequential(f32),
    /// From -1 by way of 0 to 1.
    Diverging(f32),
    /// A text on a cell of this colour.
    OnSequential(f32),
}

/// Light or dark ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Dark ink on light ground.
    #[default]
    Light,
    /// Light ink on dark ground.
    Dark,
}

/// Where colours come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// The page's CSS custom properties; scales are computed for the scheme.
    Page(Scheme),
    /// Fixed, for a file that stands alone.
    Fixed(Scheme),
}

/// A colour of 8 bits a channel.
pub type Rgb = [u8; 3];

/// From a value to its colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shade {
    /// `from` has the colour of nothing, `to` that of the most.
    Sequential {
        /// Lower end.
        from: f32,
        /// Upper end.
        to: f32,
    },
    /// From `-clamp` by way of 0 to `clamp`.
    Diverging {
        /// What lies beyond is drawn as if it lay there.
        clamp: f32,
    },
}

impl Shade {
    /// The colour of a value; `None` where it is not a number.
    pub fn role(&self, value: f32) -> Option<Role> {
        if value.is_nan() {
            return None;
        }
        Some(match *self {
            Shade::Sequential { from, to } if to > from => {
                Role::Sequential(((value - from) / (to - from)).clamp(0.0, 1.0))
            }
            Shade::Sequential { .. } => Role::Sequential(0.0),
            Shade::Diverging { clamp } if clamp > 0.0 => Role::Diverging((value / clamp).clamp(-1.0, 1.0)),
            Shade::Diverging { .. } => Role::Diverging(0.0),
        })
    }
}

impl Palette {
    /// As CSS writes it.
    pub fn css(self, role: Role) -> String {
        let (scheme, variable) = match self {
            Palette::Page(scheme) => (scheme, true),
            Palette::Fixed(scheme) => (scheme, false),
        };
        let name = match role {
            Role::Ink => "ink".to_owned(),
            Role::Ink2 => "ink-2".to_owned(),
            Role::Ground => "ground".to_owned(),
            Role::Panel => "panel".to_owned(),
            Role::Line => "line".to_owned(),
            Role::Accent => "accent".to_owned(),
            Role::Adapter(index) => format!("adapter-{}", index % ADAPTERS),
            Role::Merged => "merged".to_owned(),
            Role::Sequential(_) | Role::Diverging(_) | Role::OnSequential(_) => return hex(rgb(role, scheme)),
        };
        if variable { format!("var(--{name})") } else { hex(rgb(role, scheme)) }
    }
}

/// Adapters with a colour of their own; after them, colours come again.
pub const ADAPTERS: usize = 8;

/// The colour of a role.
pub fn rgb(role: Role, scheme: Scheme) -> Rgb {
    let pick = |light: u32, dark: u32| channels(if scheme == Scheme::Light { light } else { dark });
    match role {
        Role::Ink => pick(0x1a1d21, 0xeceff3),
        Role::Ink2 => pick(0x59616b, 0xa3abb6),
        Role::Ground => pick(0xffffff, 0x16181d),
        Role::Panel => pick(0xf6f7f9, 0x1e2127),
        Role::Line => pick(0xd5dae0, 0x3a404a),
        Role::Accent => pick(0x1f5fd0, 0x7fb0ff),
        Role::Merged => pick(0x000000, 0xffffff),
        Role::Adapter(index) => pick(OKABE_ITO_ON_LIGHT[index % ADAPTERS], OKABE_ITO[index % ADAPTERS]),
        Role::Sequential(value) => along(if scheme == Scheme::Light { &DEVON } else { &OSLO }, value),
        Role::Diverging(value) => along(if scheme == Scheme::Light { &VIK } else { &BERLIN }, 0.5 * (value + 1.0)),
        Role::OnSequential(value) => {
            let (dark, light) = ([0; 3], [0xff; 3]);
            let cell = rgb(Role::Sequential(value), scheme);
            if contrast(dark, cell) >= contrast(light, cell) { dark } else { light }
        }
    }
}

/// `#rrggbb`.
pub fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// How well one colour stands out from another, 1 to 21 (WCAG 2.2).
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(color: Rgb) -> f64 {
    let linear = color.map(|channel| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { to_the_2_4((c + 0.055) / 1.055) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

/// `c` to the power of 2.4 for `c` from 0.01 to 1: its square times the fifth root of that, by Newton's method from above.
/// A power of any exponent brings tables of 6 KB into the page.
fn to_the_2_4(c: f64) -> f64 {
    let square = c * c;
    let mut root = 1.0_f64;
    for _ in 0..16 {
        root -= 0.2 * (root - square / root.powi(4));
    }
    square * root
}

fn channels(color: u32) -> Rgb {
    [(color >> 16) as u8, (color >> 8) as u8, color as u8]
}

fn along(scale: &[u32], at: f32) -> Rgb {
    let at = if at.is_finite() { at.clamp(0.0, 1.0) } else { 0.0 };
    let position = at * (scale.len() - 1) as f32;
    let low = (position as usize).min(scale.len() - 2);
    let (from, to, part) = (channels(scale[low]), channels(scale[low + 1]), position - low as f32);
    std::array::from_fn(|i| {
        let (from, to) = (f32::from(from[i]), f32::from(to[i]));
        (from + (to - from) * part).round() as u8
    })
}

const OKABE_ITO: [u32; ADAPTERS] = [0xe69f00, 0x56b4e9, 0x009e73, 0xf0e442, 0x0072b2, 0xd55e00, 0xcc79a7, 0x7f7f7f];
const OKABE_ITO_ON_LIGHT: [u32; ADAPTERS] =
    [0xbe8300, 0x4796c3, 0x009e73, 0x999026, 0x0072b2, 0xd55e00, 0xc474a0, 0x7f7f7f];

const DEVON: [u32; 17] = [
    0xffffff, 0xf2f0fc, 0xe4e2fa, 0xd7d4f7, 0xcbc6f4, 0xbeb8f2, 0xb0aaee, 0x9a9ce7, 0x7d8edd, 0x5e80cf, 0x4271bc,
    0x3265a5, 0x29588f, 0x27477b, 0x29376a, 0x2a285b, 0x2c1a4c,
];
const OSLO: [u32; 17] = [
    0x010101, 0x0a121a, 0x0e1e2e, 0x112a44, 0x15395b, 0x1c4773, 0x26568c, 0x3667a5, 0x4f7abc, 0x678bc7, 0x7c99ca,
    0x8fa4c9, 0xa2b0ca, 0xb7bfcd, 0xced1d7, 0xe6e7e9, 0xffffff,
];
const VIK: [u32; 33] = [
    0x001261, 0x021f69, 0x022b71, 0x023779, 0x034481, 0x045089, 0x0c5e92, 0x1b6d9b, 0x2f7ca6, 0x478db1, 0x609dbc,
    0x79adc7, 0x92bdd2, 0xacccdc, 0xc5dbe5, 0xdce5e9, 0xece5e1, 0xeedacf, 0xe9cbb9, 0xe2bba4, 0xdcab8f, 0xd59c7b,
    0xcf8e68, 0xc97f55, 0xc37243, 0xbc6331, 0xb3531f, 0xa5400e, 0x932e06, 0x832106, 0x741506, 0x660a07, 0x590008,
];
const BERLIN: [u32; 33] = [
    0x9eb0ff, 0x8caef6, 0x79abed, 0x65a7e2, 0x529fd3, 0x4194c1, 0x3686ad, 0x2e779a, 0x286886, 0x235a74, 0x1d4b61,
    0x183e50, 0x14313f, 0x11252f, 0x111a20, 0x121214, 0x190c09, 0x210b03, 0x2a0e01, 0x351000, 0x401201, 0x4c1602,
    0x5a1c07, 0x6a2610, 0x7c331d, 0x8d412c, 0x9c503d, 0xac5e4f, 0xbc6e61, 0xcc7d74, 0xdd8d86, 0xee9d9a, 0xffadad,
];

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [Scheme; 2] = [Scheme::Light, Scheme::Dark];

    #[test]
    fn a_power_of_2_4() {
        for c in (1..=100).map(|percent| 0.01 * f64::from(percent)) {
            assert!((to_the_2_4(c) / c.powf(2.4) - 1.0).abs() < 1e-12, "{c}");
        }
    }

    #[test]
    fn whatever_is_drawn_stands_out_from_its_ground() {
        for scheme in SCHEMES {
            let panel = rgb(Role::Panel, scheme);
            for role in [Role::Ink, Role::Ink2] {
                assert!(contrast(rgb(role, scheme), panel) >= 4.5, "{role:?} {scheme:?}");
            }
            for role in (0..ADAPTERS).map(Role::Adapter).chain([Role::Accent, Role::Merged]) {
                assert!(contrast(rgb(role, scheme), panel) >= 3.0, "{role:?} {scheme:?}");
            }
            for value in 0..=20 {
                let value = value as f32 / 20.0;
                let (text, cell) = (rgb(Role::OnSequential(value), scheme), rgb(Role::Sequential(value), scheme));
                assert!(contrast(text, cell) >= 4.5, "{value} {scheme:?}");
            }
        }
    }

    #[test]
    fn scales_are_monotone_in_lightness_away_from_nothing() {
        for (scheme, away) in [(Scheme::Light, -1.0), (Scheme::Dark, 1.0)] {
            let lightness = |role| away * luminance(rgb(role, scheme));
            for step in 0..100 {
                let (here, there) = (step as f32 / 100.0, (step + 1) as f32 / 100.0);
                assert!(lightness(Role::Sequential(there)) >= lightness(Role::Sequential(here)));
                // Near zero the arms of a diverging scale differ by hue first.
                if here >= 0.15 {
                    assert!(lightness(Role::Diverging(there)) >= lightness(Role::Diverging(here)), "{here}");
                    assert!(lightness(Role::Diverging(-there)) >= lightness(Role::Diverging(-here)), "-{here}");
                }
            }
        }
    }

    #[test]
    fn a_shade_clamps_and_has_no_colour_for_what_is_no_number() {
        let shade = Shade::Diverging { clamp: 2.0 };
        assert_eq!(shade.role(1.0), Some(Role::Diverging(0.5)));
        assert_eq!(shade.role(-9.0), Some(Role::Diverging(-1.0)));
        assert_eq!(shade.role(f32::NAN), None);
        assert_eq!(shade.role(f32::NEG_INFINITY), Some(Role::Diverging(-1.0)));
        assert_eq!(Shade::Sequential { from: 1.0, to: 1.0 }.role(3.0), Some(Role::Sequential(0.0)));
        assert_eq!(Shade::Sequential { from: 1.0, to: 3.0 }.role(2.0), Some(Role::Sequential(0.5)));
    }

    #[test]
    fn the_page_gives_colours_by_name_and_scales_by_value() {
        let page = Palette::Page(Scheme::Dark);
        assert_eq!(page.css(Role::Adapter(9)), "var(--adapter-1)");
        assert_eq!(page.css(Role::Ink2), "var(--ink-2)");
        assert_eq!(page.css(Role::Sequential(0.0)), "#010101");
        assert_eq!(Palette::Fixed(Scheme::Light).css(Role::Merged), "#000000");
    }
}
