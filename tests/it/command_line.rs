//! The command line as it is typed: what is printed where, and the exit code.

use std::path::Path;
use std::process::Output;

/// Runs `weir` in an empty directory of its own, with just these variables of the family `WEIR_`.
fn weir(folder: &Path, variables: &[(&str, &str)], line: &str) -> Output {
    crate::running::weir(folder)
        .envs(variables.iter().copied())
        .args(line.split_whitespace())
        .output()
        .expect("weir starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("weir prints UTF-8")
}

#[test]
fn help_lists_the_commands_and_every_setting_with_its_default_and_variable() {
    let folder = tempfile::tempdir().unwrap();
    let help = weir(folder.path(), &[], "--help");
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for command in ["serve", "demo", "import", "results", "apply", "check", "keys"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}\n{help}");
    }
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["[default: 127.0.0.1:8750] [env: WEIR_LISTEN=]", "[default: 4MiB] [env: WEIR_BODY_BYTES=]"] {
        assert!(words.contains(part), "{part}\n{help}");
    }
    assert!(help.contains("Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."), "{help}");
    let version = weir(folder.path(), &[], "--version");
    assert_eq!(text(&version.stdout), format!("weir {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_told_on_standard_error_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.json"), r#"{"listen": 8750}"#).unwrap();
    for (variables, line, told) in [
        (&[][..], "--listen 8750", "`8750` has no address; write 127.0.0.1:8750"),
        (&[("WEIR_LISTEN", "127.0.0.1")][..], "", "`127.0.0.1` has no port; write 127.0.0.1:8750"),
        (&[], "serve --listn 127.0.0.1:0", "unexpected argument '--listn'"),
        (&[], "--body-bytes 1", "--body-bytes: 1 bytes is outside the range 1KiB to 1GiB"),
        (&[("WEIR_EVENT_BYTES", "8MiB")], "", "--event-bytes: 8MiB is more than --body-bytes (4MiB)"),
        (&[("WEIR_BODY_BYTES", "many")], "", "`many` is not a size"),
        (&[], "--config bad.json", "configuration file bad.json, at listen: `8750` has no address"),
        (&[("WEIR_CONFIG", "none.json")], "results x", "cannot read the configuration file none.json: No such file"),
        (&[], "demo --visitors 0", "0 is not in 1..=1000000"),
        (&[], "import", "the following required arguments were not provided"),
        (&[], "dance", "unrecognized subcommand 'dance'"),
    ] {
        let output = weir(folder.path(), variables, line);
        let error = text(&output.stderr);
        assert!(error.contains(told), "weir {line}: {error}");
        assert_eq!(output.status.code(), Some(2), "weir {line}: {error}");
        assert_eq!(text(&output.stdout), "", "weir {line}");
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    // A bad variable is not looked at when the flag is there; the next mistake is the file's.
    let output = weir(folder.path(), &[("WEIR_LISTEN", "8750")], "--listen 127.0.0.1:0 --config none.json");
    assert!(text(&output.stderr).contains("cannot read the configuration file none.json"), "{output:?}");
    // A variable wins over the file: without it the file's value would be the one complained of.
    std::fs::write(folder.path().join("weir.json"), r#"{"bodyBytes": "1KiB", "eventBytes": "1MiB"}"#).unwrap();
    let output = weir(folder.path(), &[("WEIR_EVENT_BYTES", "2MiB")], "--config weir.json");
    let told = "--event-bytes: 2MiB is more than --body-bytes (1KiB)";
    assert!(text(&output.stderr).contains(told), "{output:?}");
}

#[test]
fn what_cannot_be_done_ends_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.ndjson"), "{}\n").unwrap();
    for (line, told) in [
        ("import a.ndjson", "no server runs on data; start `weir serve` there, or give --url and --key"),
        ("import none.ndjson --url http://127.0.0.1:9 --key k", "cannot read none.ndjson: No such file"),
        ("import - - --url http://127.0.0.1:9 --key k", "standard input (-) can be read once only"),
        ("apply none.json", "cannot read the project file none.json: No such file"),
    ] {
        // Settings of a server in the environment disturb no other command.
        let output = weir(folder.path(), &[("WEIR_LISTEN", "127.0.0.1:0")], line);
        let error = text(&output.stderr);
        assert!(error.starts_with("weir: ") && error.contains(told), "weir {line}: {error}");
        assert_eq!(output.status.code(), Some(1), "weir {line}: {error}");
    }
}

#[test]
fn an_import_with_bad_lines_only_says_so_and_fails_unless_told_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.ndjson"), "{}\nnot json\n").unwrap();
    let line = "import a.ndjson --url http://127.0.0.1:9 --key k";
    let output = weir(folder.path(), &[], line);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "a.ndjson: 0 events sent, 2 bad lines left out\n");
    let error = text(&output.stderr);
    assert!(error.contains("a.ndjson, line 1: neither a Statsig event (`eventName`) nor a Segment event (`type`)"));
    assert!(error.contains("a.ndjson, line 2: not a JSON object"), "{error}");
    let output = weir(folder.path(), &[("WEIR_KEEP_GOING", "true")], line);
    assert_eq!(output.status.code(), Some(0));
}
