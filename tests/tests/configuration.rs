//! The configuration of an installed sensor: written by `setup`, checked by `check-config`.

use anyhow::{Context as _, Result, ensure};
use ot_tests::sensor::{root, run, sensor, succeed};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn check(file: &Path) -> Result<(Option<i32>, Value)> {
    let output = run(sensor().args(["check-config", "--json"]).arg(file))?;
    let told = serde_json::from_slice(&output.stdout).context("no JSON")?;
    Ok((output.status.code(), told))
}

#[test]
fn what_a_configuration_names_is_checked_and_told_with_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ot-sensor.toml");
    std::fs::write(folder.path().join("rules.toml"), "[[rule]]\nid = 'limit'\nwhen = 'modbus.regval > 1'\n")?;
    std::fs::write(folder.path().join("known.txt"), "198.51.100.7\nno such thing\n")?;
    std::fs::write(
        &file,
        "store = 'none/plant.db'\n[sensor]\nid = 'line 3'\n[rules]\nfiles = ['rules.toml', 'absent.toml']\n[indicators]\n\
         files = ['known.txt', 'absent.txt']\n[evidence]\nfolder = '/proc/self/stat/x'\n[[interface]]\nname = 'nosuch0'\n\
         filter = 'nonsense ('\n[[forward]]\nname = 'log'\nkind = 'file'\naddress = '/nowhere/alerts.jsonl'\n[[forward]]\n\
         name = 'hook'\nkind = 'webhook'\naddress = 'https://localhost/'\nsecret_env = 'OT_SENSOR_NOT_SET'\n[[forward]]\n\
         name = 'siem'\nkind = 'syslog'\naddress = 'tls://localhost'\nca = 'absent.pem'\n",
    )?;
    let (code, told) = check(&file)?;
    assert_eq!(code, Some(2), "{told}");
    let name = |path: &str| folder.path().join(path).display().to_string();
    let places = |of: &str| -> Vec<(String, Option<u64>, String)> {
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let list = told[of].as_array().into_iter().flatten();
        list.map(|finding| (text(finding, "file"), finding["line"].as_u64(), text(finding, "key"))).collect()
    };
    let own = |line, key: &str| (name("ot-sensor.toml"), line, key.to_owned());
    let expected = [
        own(None, "forward log"),
        own(None, "forward siem"),
        own(Some(1), "store"),
        own(Some(3), "sensor.id"),
        own(Some(5), "rules.files"),
        own(Some(7), "indicators.files"),
        own(Some(9), "evidence.folder"),
        own(Some(12), "interface 1: filter"),
        (name("rules.toml"), Some(3), "rule \"limit\"".to_owned()),
    ];
    assert_eq!(places("problems"), expected, "{told:#}");
    let expected = [own(Some(11), "interface 1: name"), own(Some(7), "indicators.files"), own(None, "forward hook")];
    assert_eq!(places("warnings"), expected, "{told:#}");

    // For a person: a problem a line, then how many there are.
    let output = run(sensor().arg("check-config").arg(&file))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(&format!("{} line 3: sensor.id: \"line 3\" is no sensor id", file.display())), "{text}");
    assert!(text.ends_with("9 problems\n"), "{text}");

    // Other commands tell the first, and that there are more.
    let output = run(sensor().args(["alerts", "list", "--config"]).arg(&file))?;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("line 3: sensor.id: \"line 3\" is no sensor id"), "{text}");
    Ok(())
}

#[test]
fn what_holds_is_told_in_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ot-sensor.toml");
    let store = folder.path().join("plant.db");
    std::fs::write(
        &file,
        format!("store = {store:?}\not_subnets = ['10.0.0.0/24']\n[sensor]\nid = 'line-3'\nsite = 'Plant North'\n"),
    )?;
    let text = succeed(sensor().arg("check-config").arg(&file))?;
    assert!(text.contains("no problem") && text.contains("line-3, site Plant North"), "{text}");
    assert!(text.contains("10.0.0.0/24") && text.contains("7 days on a fresh store"), "{text}");
    let (code, told) = check(&file)?;
    assert_eq!((code, &told["problems"]), (Some(0), &Value::Array(Vec::new())));
    assert_eq!(told["holds"]["sensor"], "line-3, site Plant North", "{told:#}");
    // The example that is installed holds as it is.
    let example = root().join("deploy/ot-sensor.toml");
    assert_eq!(check(&example)?.0, Some(0));
    // A file that is not there is wrong use.
    assert_eq!(run(sensor().args(["check-config", "/nowhere.toml"]))?.status.code(), Some(2));
    Ok(())
}

#[test]
fn setup_writes_a_configuration_that_holds_and_the_first_administrator() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("etc/ot-sensor.toml");
    let store = folder.path().join("lib/plant.db");
    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse battery staple\nmore\n")?;
    let setup = |more: &[&str]| {
        let mut command = sensor();
        command.args(["setup", "--unattended", "--interface", "span0", "--id", "line-3", "--learn-for", "36h"]);
        command.args(["--ot-subnet", "10.0.0.0/24", "--zone", "Cell 1=10.0.0.0/25,10.0.1.0/24"]).args(more);
        command.arg("--config").arg(&file).arg("--store").arg(&store);
        run(&mut command)
    };
    let file_of = password.to_str().context("a path that is no text")?;
    // A password that is refused leaves nothing behind.
    std::fs::write(folder.path().join("short"), "short")?;
    let short = folder.path().join("short");
    let refused = setup(&["--admin", "anna", "--password-file", short.to_str().context("a path")?])?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(!file.exists() && !store.exists());

    let done = setup(&["--site", "Plant \"North\"", "--admin", "anna", "--password-file", file_of])?;
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("anna is administrator") && !said.contains("horse"), "{said}");
    let (code, told) = check(&file)?;
    assert_eq!(code, Some(0), "{told:#}");
    let holds = |what: &str| told["holds"][what].as_str().unwrap_or_default().to_owned();
    assert_eq!(holds("sensor"), "line-3, site Plant \"North\"");
    assert_eq!((holds("interfaces").as_str(), holds("ot_networks").as_str()), ("span0", "10.0.0.0/24"));
    assert!(holds("known").starts_with("1 zone,") && holds("learning").starts_with("1 d 12 h"), "{told:#}");
    assert_eq!(told["warnings"][0]["key"], "interface 1: name", "it is not there yet");
    let users = succeed(sensor().args(["user", "list", "--json", "--config"]).arg(&file))?;
    assert!(users.contains("\"name\":\"anna\"") && users.contains("administrator"), "{users}");

    // It is not written over by accident; and anew it keeps the users.
    assert_eq!(setup(&[])?.status.code(), Some(2));
    let again = setup(&["--force", "--admin", "anna", "--password-file", file_of])?;
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&again.stdout).contains("there is a user anna already"));
    assert_eq!(check(&file)?.1["holds"]["sensor"], "line-3", "the site was not given again");
    Ok(())
}

#[test]
fn setup_asks_on_a_terminal_and_shows_no_password() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ot-sensor.toml");
    let store = folder.path().join("plant.db");
    // `script` gives it a terminal.
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{:?} setup --interface span0 --config {file:?} --store {store:?}", sensor().get_program()))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run script (bsdutils)")?;
    let mut answers = terminal.stdin.take().context("no input")?;
    let mut shown = terminal.stdout.take().context("no output")?;
    let (mut all, mut from) = (String::new(), 0);
    for (asked, answer) in [
        ("Id of this sensor", "line 3"),
        ("is no sensor id", ""),
        ("Id of this sensor", "line-3"),
        ("Site that", "Plant North"),
        ("OT networks", "10.0.0.0/24, 10.1.0.0/24"),
        ("A zone", "Cell 1=10.0.0.0/25"),
        ("A zone", "\n"),
        ("How long to learn", "\n"),
        ("Address of the console", "127.0.0.1:9443"),
        ("First administrator", "\n"),
        ("password: ", "correct horse battery staple"),
        ("once more: ", "correct horse battery staple"),
    ] {
        while !all[from..].contains(asked) {
            let mut bytes = [0; 256];
            let length = shown.read(&mut bytes)?;
            ensure!(length > 0, "it ended before {asked:?}: {all}");
            all.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        from += all[from..].find(asked).unwrap_or_default() + asked.len();
        if !answer.is_empty() {
            // It must wait for the answer: what is typed before echo is off would show.
            std::thread::sleep(Duration::from_millis(300));
            answers.write_all(format!("{}\n", answer.trim()).as_bytes())?;
        }
    }
    shown.read_to_string(&mut all)?;
    ensure!(terminal.wait()?.success(), "{all}");
    assert!(all.contains("admin is administrator") && !all.contains("horse"), "{all}");
    let (code, told) = check(&file)?;
    assert_eq!(code, Some(0), "{told:#}");
    assert_eq!(told["holds"]["sensor"], "line-3, site Plant North");
    assert_eq!(told["holds"]["ot_networks"], "10.0.0.0/24, 10.1.0.0/24");
    assert_eq!(told["holds"]["learning"], "7 d 0 h on a fresh store");
    assert_eq!(told["holds"]["console"], "on 127.0.0.1:9443 with a certificate of its own");
    Ok(())
}
