//! The Python libraries that this project compares itself with, in an environment of their own.
//!
//! Not part of `cargo xtask test`: it downloads hundreds of megabytes. The golden fixtures that it writes are in the
//! repository, and the tests read those.

use crate::plm;
use crate::project::Project;
use crate::shell::{self, which};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Versions that work together.
const PACKAGES: &[&str] =
    &["torch==2.15.*", "transformers==4.57.6", "adapters==1.3.0", "POT==0.9.7", "safetensors==0.8.*"];

/// What writes the golden fixtures: a script, where it is run from, its arguments. What a script reads that another
/// wrote stands after it. `model/minilm_l3` is not here: it needs onnxruntime and another model's ONNX file.
const FIXTURES: &[(&str, &str, &[&str])] = &[
    ("tests/fixtures/pot/make.py", ".", &[]),
    ("tests/fixtures/merge/make.py", ".", &[]),
    ("tests/fixtures/experiment/make.py", ".", &[]),
    ("tests/fixtures/tokenizer/make.py", ".", &["www/models/all-minilm-l6-v2/tokenizer.json"]),
    ("tests/fixtures/adapterhub/make.py", "tests/fixtures/adapterhub", &[]),
    ("tests/fixtures/adapterhub/make_hostile.py", "tests/fixtures/adapterhub", &[]),
    ("tests/fixtures/model/tiny/generate.py", ".", &[]),
    ("tests/fixtures/model/tiny_adapter/generate.py", ".", &[]),
    ("tests/fixtures/model/minilm/generate.py", ".", &["--plm", PLM]),
    ("tests/fixtures/model/minilm_adapter/generate.py", ".", &["--plm", PLM]),
    ("tests/fixtures/train/trajectory/generate.py", ".", &[]),
];

/// The model that fixtures and checks need.
const PLM: &str = "www/models/all-minilm-l6-v2";

/// Makes the environment. Then merges the sample adapters and lets `adapters` load what came out; or, with `fixtures`,
/// writes the golden fixtures again.
///
/// # Errors
/// When Python is missing, a package can't be installed, or a script fails.
pub fn run(project: &Project, fixtures: bool) -> Result<()> {
    plm::fetch_served(project)?;
    let python = environment(project)?;
    if !fixtures {
        return check(project, &python);
    }
    for (script, folder, arguments) in FIXTURES {
        let mut command = Command::new(&python);
        command.arg(project.root.join(script)).args(*arguments);
        shell::run(command.current_dir(project.root.join(folder)))?;
    }
    println!("{} scripts ran; `git status` tells what they changed", FIXTURES.len());
    Ok(())
}

/// What `mera merge` writes by each method, with what the method needs besides the adapters.
const MERGES: &[(&str, &[&str])] = &[
    ("sum", &[]),
    ("average", &[]),
    ("mera_wts", &[]),
    ("mera_acts", &["--plm", PLM, "--texts", TASK]),
    ("concat", &[]),
    ("concat_reduced", &["--plm", PLM, "--texts", TASK]),
];

/// Rows to learn from and to compute activations on.
const TASK: &str = "www/samples/task/everyday-nli.tsv";

/// An adapter of the library's own, and the PLM that it belongs to. Written again, its bytes depend on no arithmetic.
const PINNED: (&str, &str) = ("tests/fixtures/adapterhub/two_layer_bin", "tests/fixtures/model/tiny");

/// Where the hashes stand of the files that `adapters` has loaded; a test compares what is written with them.
const ACCEPTED: &str = "tests/fixtures/interop/accepted.json";

/// What `mera merge` writes by each method, and what `mera train` writes, head included, is loaded by `adapters` and
/// computes what it should. The hashes of an adapter that was only read and written are noted.
fn check(project: &Project, python: &Path) -> Result<()> {
    let samples = project.root.join("www/samples/adapters/all-minilm-l6-v2");
    let mut adapters = Vec::new();
    for entry in std::fs::read_dir(&samples).with_context(|| format!("{} can't be read", samples.display()))? {
        adapters.extend(Some(entry?.path()).filter(|path| path.join("adapter_config.json").is_file()));
    }
    adapters.sort();
    ensure!(adapters.len() > 1, "{} holds no adapters to merge", samples.display());
    let written = project.target.join("oracle-written");
    for (method, needs) in MERGES {
        let mut merge = mera(project);
        merge.args(["merge", "--method", method]).args(*needs).args(&adapters);
        write_and_load(project, python, merge, PLM, &written.join(method), &[])?;
    }
    let mut train = mera(project);
    train.args(["train", "--plm", PLM, "--data", TASK, "--epochs", "1"]);
    write_and_load(project, python, train, PLM, &written.join("trained"), &[])?;
    let (original, plm) = PINNED;
    let mut again = mera(project);
    again.args(["merge", "--method", "sum", "--name", "two_layer", original]);
    write_and_load(project, python, again, plm, &written.join("again"), &[original, ACCEPTED])
}

fn mera(project: &Project) -> Command {
    let mut mera = shell::cargo_command(project, &["run", "--quiet", "--features", "cli", "--bin", "mera", "--"]);
    mera.current_dir(&project.root);
    mera
}

/// Has `command` write an adapter to `out`, in place of what an earlier run left there, and `adapters` load it into `plm`;
/// `more` follows in the arguments of the check.
fn write_and_load(
    project: &Project,
    python: &Path,
    mut command: Command,
    plm: &str,
    out: &Path,
    more: &[&str],
) -> Result<()> {
    shell::run(command.arg("--force").arg("-o").arg(out))?;
    let mut check = Command::new(python);
    check.arg(project.root.join("tests/fixtures/interop/check.py")).arg(plm).arg(out).args(more);
    shell::run(check.current_dir(&project.root))
}

/// The environment's Python; what is installed already is not installed again.
fn environment(project: &Project) -> Result<PathBuf> {
    let folder = project.target.join("oracle");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.is_file() {
        let system = ["python3", "python"].into_iter().find(|name| which(name).is_some());
        let system = system.context("python3 is needed for the reference libraries, and is not installed")?;
        shell::run(Command::new(system).args(["-m", "venv"]).arg(&folder))?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    shell::run(install.args(["--extra-index-url", "https://download.pytorch.org/whl/cpu"]).args(PACKAGES))?;
    Ok(python)
}
