//! Records as a table, one a row (RFC 4180).

use super::super::record::{Record, RecordError};

const COLUMNS: [&str; 24] = [
    "plm",
    "target",
    "k",
    "seed",
    "method",
    "tracks",
    "accuracy",
    "macro_f1",
    "dev_accuracy",
    "dev_loss",
    "learning_rate",
    "trainable_parameters",
    "inference_parameters",
    "seconds",
    "step_seconds",
    "peak_memory",
    "ensemble_error",
    "chosen",
    "hash",
    "protocol",
    "settings",
    "scores",
    "training",
    "adapters",
];

/// `records.csv`; cells are empty where a record says nothing. Those of `scores`, `training` and `adapters` are JSON, as in
/// the record; what comes new comes last, so that a reader by number finds what it found.
///
/// # Errors
/// When the writer fails.
pub fn csv(records: &[Record]) -> Result<String, RecordError> {
    let mut out = ::csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).map_err(unwritten)?;
    for record in records {
        let value = serde_json::to_value(record)?;
        let cell = |column: &&str| match &value[*column] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        out.write_record(COLUMNS.iter().map(cell)).map_err(unwritten)?;
    }
    let bytes = out.into_inner().map_err(unwritten)?;
    String::from_utf8(bytes).map_err(unwritten)
}

fn unwritten(error: impl std::fmt::Display) -> RecordError {
    RecordError::Write(error.to_string())
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::super::super::record::tests::{record, told};
    use super::*;

    #[test]
    fn every_number_has_its_column() {
        let odd = Record {
            plm: "mini, the \"small\"".into(),
            chosen: Some("mr".into()),
            scores: Some([("mr".to_owned(), 0.75), ("none".to_owned(), 0.5)].into()),
            ..record("cr", "sum", 4, 13, 0.5)
        };
        insta::assert_snapshot!(csv(&[odd]).unwrap(), @r#"
        plm,target,k,seed,method,tracks,accuracy,macro_f1,dev_accuracy,dev_loss,learning_rate,trainable_parameters,inference_parameters,seconds,step_seconds,peak_memory,ensemble_error,chosen,hash,protocol,settings,scores,training,adapters
        "mini, the ""small""",cr,4,13,sum,same,0.5,0.25,0.5,0.7,0.0005,100,200,1.5,,,,mr,cr-sum-4-13,,,"{""mr"":0.75,""none"":0.5}",,
        "#);
    }

    #[test]
    fn every_key_of_a_record_is_a_column() {
        let (training, adapters) = told();
        let full = Record {
            plm: "p".into(),
            step_seconds: Some(0.1),
            peak_memory: Some(1),
            chosen: Some("a".into()),
            ensemble_error: Some(0.1),
            protocol: Some("o".into()),
            settings: Some("s".into()),
            scores: Some([("none".to_owned(), 0.5)].into()),
            training,
            adapters,
            ..record("cr", "sum", 4, 13, 0.5)
        };
        let value = serde_json::to_value(full).unwrap();
        let keys: std::collections::BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, COLUMNS.into_iter().collect());
    }
}
