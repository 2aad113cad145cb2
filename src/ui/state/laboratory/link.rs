//! What of the laboratory stands in the address: `#/laboratory?experiment=own&table=1&run=1f…&tracks=same&workers=2`.

use crate::protocol::DeviceChoice;
use crate::ui::state::address::{decode, encode};

/// What stands in the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The experiment in sight, by name.
    pub experiment: Option<String>,
    /// The run that is opened, by its hash.
    pub run: Option<String>,
    /// Which of the experiment's tables is in sight, from 0.
    pub table: usize,
    /// The tracks in sight.
    pub tracks: Option<String>,
    /// How many workers; as many as the device takes where it is not said.
    pub workers: Option<usize>,
    /// What they run on.
    pub device: DeviceChoice,
}

/// How a link to the laboratory begins.
pub const LABORATORY: &str = "#/laboratory";

impl Link {
    /// The part of a link behind `#`.
    #[must_use]
    pub fn write(&self) -> String {
        let device = match self.device {
            DeviceChoice::Auto => None,
            DeviceChoice::WebGpu => Some("webgpu".to_owned()),
            DeviceChoice::Cpu => Some("cpu".to_owned()),
        };
        let workers = self.workers.map(|workers| workers.to_string());
        let table = (self.table > 0).then(|| self.table.to_string());
        let pairs = [
            ("experiment", &self.experiment),
            ("table", &table),
            ("run", &self.run),
            ("tracks", &self.tracks),
            ("workers", &workers),
            ("device", &device),
        ];
        let pairs: Vec<String> =
            pairs.iter().filter_map(|(key, value)| Some(format!("{key}={}", encode(value.as_ref()?)))).collect();
        if pairs.is_empty() { LABORATORY.to_owned() } else { format!("{LABORATORY}?{}", pairs.join("&")) }
    }

    /// Reads what [`Link::write`] writes; what can't be read is left out.
    #[must_use]
    pub fn read(hash: &str) -> Self {
        let mut link = Self::default();
        let (_, query) = hash.split_once('?').unwrap_or((hash, ""));
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = decode(value);
            match key {
                "experiment" => link.experiment = Some(value),
                "run" => link.run = Some(value),
                "table" => link.table = value.parse().unwrap_or(0),
                "tracks" => link.tracks = Some(value),
                "workers" => link.workers = value.parse().ok().filter(|workers| (1..=64).contains(workers)),
                "device" if value == "cpu" => link.device = DeviceChoice::Cpu,
                "device" if value == "webgpu" => link.device = DeviceChoice::WebGpu,
                _ => {}
            }
        }
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_comes_back_as_it_went() {
        let link = Link {
            experiment: Some("my own & more".into()),
            run: Some("1f2e".into()),
            table: 3,
            tracks: Some("same".into()),
            workers: Some(2),
            device: DeviceChoice::Cpu,
        };
        assert_eq!(Link::read(&link.write()), link);
        assert_eq!(Link::default().write(), LABORATORY);
        assert_eq!(Link::read("#/laboratory?workers=none&x=1"), Link::default());
    }
}
