//! The command as a person at a terminal meets it: stopped by Ctrl-C, with a meter.

use super::*;

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_training_and_leaves_nothing_half_written() {
    let folder = TempDir::new().unwrap();
    let data = sentences(&folder, "train.tsv", 40);
    let output: PathBuf = folder.path().join("out");
    let (plm, target) = (path(PLM), output.to_str().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_mera"))
        .args(["train", "--plm", &plm, "--data", &data, "--epochs", "10000", "-o", target])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Its first line says that it is under way.
    let mut first = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut reader, &mut first).unwrap();
    assert!(first.starts_with("epoch"), "{first}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "error: cancelled\n");
    assert_eq!(names(folder.path()), ["train.tsv"]);
}

/// `script`, which util-linux brings everywhere, is the terminal; [`out`] holds that nothing is drawn without one.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_sees_how_far_it_is_and_the_time_left() {
    let folder = TempDir::new().unwrap();
    let data = sentences(&folder, "train.tsv", 40);
    let target = folder.path().join("out");
    let call = format!(
        "'{}' train --plm '{}' --data '{data}' --epochs 20 -o '{}'",
        env!("CARGO_BIN_EXE_mera"),
        path(PLM),
        target.display()
    );
    let seen = Command::new("script")
        .args(["--quiet", "--return", "--command", &call, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let seen = String::from_utf8(seen.stdout).unwrap();
    assert!(target.join("adapter_config.json").is_file(), "{seen}");
    // Such as `Training [=====>    ] 12/60, 3s left`, drawn over and over.
    let bars: Vec<&str> = seen.split(['\r', '\n']).filter(|line| line.contains(" left")).collect();
    assert!(bars.len() > 1, "{seen}");
    for bar in &bars {
        let (_, counted) = bar.split_once("] ").unwrap_or_else(|| panic!("no bar in {bar}"));
        let (done, total) = counted.split_once(',').unwrap().0.split_once('/').unwrap();
        assert!(done.parse::<usize>().unwrap() <= total.parse::<usize>().unwrap(), "{bar}");
    }
    // Taken away at the end, so that what stands there is the answer.
    assert!(!seen.trim_end().rsplit(['\r', '\n']).next().unwrap().contains(" left"), "{seen}");
}
