use super::*;
use crate::trial::sample;
use proptest::prelude::*;
use serde_json::json;

/// Text as it may come off a network: bytes that are no UTF-8 come as replacement characters.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "|",
        "\\",
        "=",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\t",
        "\"",
        "{{",
        "}}",
        "]",
        "<",
        "CEF:0|",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{202e}",
        " src=6.6.6.6",
        "\\n",
        "\\=",
        "%0a",
        "é",
        "\u{1f4a7}",
    ]);
    let bytes =
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop::collection::vec(prop_oneof![nasty.prop_map(str::to_owned), bytes, "[a-zA-Z ]{0,8}"], 0..8)
        .prop_map(|parts| parts.concat())
}

prop_compose! {
    fn message()(
        texts in prop::collection::vec(hostile(), 12),
        change in prop::sample::select(vec!["opened", "status", "severity", "outcome", "marks", "comment", "test"]),
        severity in prop::sample::select(vec!["warning", "minor", "major", "critical"]),
        status in prop::sample::select(vec!["new", "active", "closed"]),
        ip in prop::sample::select(vec![Some("192.0.2.66"), Some("fd00::66"), None]),
        several in any::<bool>(),
        none in any::<bool>(),
    ) -> AlertMessage {
        let mut message = sample();
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        (message.change, message.alert.severity, message.alert.status) = (change.into(), severity.into(), status.into());
        (message.by, message.reason, message.comment, message.before) =
            (Some(next()), Some(next()), Some(next()), Some(next()));
        (message.alert.why, message.alert.description, message.alert.title) = (next(), next(), next());
        (message.alert.zone, message.alert.site) = (Some(next()), Some(next()));
        if let Some(source) = &mut message.alert.source {
            (source.name, source.ip, source.vendor) = (Some(next()), ip.map(str::to_owned), Some(next()));
        }
        if several {
            message.alert.sources = message.alert.source.take().map(|one| vec![one.clone(), one]);
            message.alert.source_count = Some(12);
        }
        if none {
            message.alert.destination = None;
            message.attack.clear();
            message.alert.techniques.clear();
            message.alert.protocol = None;
        }
        message.remediation = vec![next()];
        message
    }
}

proptest! {
    #[test]
    fn every_payload_is_one_line_of_text(message in message()) {
        for format in Format::ALL {
            let bytes = render(format, &message);
            let text = std::str::from_utf8(&bytes).unwrap();
            prop_assert!(!text.chars().any(|c| matches!(c, '\n' | '\r' | '\0')), "{format:?}: {text:?}");
            let json = !matches!(format, Format::Cef | Format::Leef | Format::Text);
            if json {
                let value: Value = serde_json::from_str(text).unwrap();
                prop_assert!(value.is_object());
            } else if format != Format::Leef {
                prop_assert!(!text.chars().any(char::is_control), "{format:?}: {text:?}");
            }
        }
    }

    #[test]
    fn own_json_comes_back_as_it_was(message in message()) {
        let value: Value = serde_json::from_slice(&render(Format::Json, &message)).unwrap();
        prop_assert_eq!(value["alert"]["description"].as_str(), Some(message.alert.description.as_str()));
        prop_assert_eq!(value["comment"].as_str(), message.comment.as_deref());
        prop_assert_eq!(&value["id"], &json!(message.id));
    }

    #[test]
    fn cef_comes_back_as_it_was(message in message()) {
        let text = String::from_utf8(render(Format::Cef, &message)).unwrap();
        let (head, extension) = read_cef(&text).unwrap();
        prop_assert_eq!(head.len(), 7);
        prop_assert_eq!(&head[0], "CEF:0");
        prop_assert_eq!(&head[4], &message.alert.kind);
        prop_assert_eq!(&head[5], &one_line(&title(&message)));
        let find = |key: &str| extension.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        prop_assert_eq!(find("externalId"), Some(message.alert.id.clone()));
        prop_assert_eq!(find("cs1"), Some(message.id.clone()));
        // What a value holds makes no key of its own.
        let known = ["rt", "start", "end", "cnt", "externalId", "cat", "act", "outcome", "app", "src", "smac", "shost", "c6a2",
            "c6a2Label", "dst", "dmac", "dhost", "dvchost", "deviceExternalId", "request", "suser", "reason", "msg", "cs1",
            "cs1Label", "cs2", "cs2Label", "cs3", "cs3Label", "cs4", "cs4Label", "cs5", "cs5Label", "cs6", "cs6Label"];
        for (key, _) in &extension {
            prop_assert!(known.contains(&key.as_str()), "{key} in {text:?}");
        }
        // Line feeds survive; other control characters are spaces.
        let plain = |text: &str| text.trim().chars()
            .map(|c| if (c.is_control() && c != '\n' && c != '\r') || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
            .collect::<String>();
        prop_assert_eq!(find("msg"), message.comment.as_deref().map(plain));
    }

    #[test]
    fn leef_comes_back_as_it_was(message in message()) {
        let text = String::from_utf8(render(Format::Leef, &message)).unwrap();
        let parts: Vec<&str> = text.splitn(7, '|').collect();
        prop_assert_eq!(&parts[..4], &["LEEF:2.0", PRODUCT, PRODUCT, VERSION]);
        prop_assert_eq!((parts[4], parts[5]), (message.alert.kind.as_str(), "x09"));
        let pairs: Vec<(&str, &str)> = parts[6].split('\t').map(|pair| pair.split_once('=').unwrap()).collect();
        let mut keys: Vec<&str> = pairs.iter().map(|pair| pair.0).collect();
        keys.sort_unstable();
        prop_assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "{keys:?}");
        let find = |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let wanted = |text: &str| Some(one_line(text)).filter(|text| !text.is_empty());
        prop_assert_eq!(find("messageId"), wanted(&message.id));
        prop_assert_eq!(find("description"), wanted(&message.alert.description));
        prop_assert_eq!(find("comment"), message.comment.as_deref().and_then(wanted));
        prop_assert_eq!(find("zone"), message.alert.zone.as_deref().and_then(wanted));
        prop_assert_eq!(find("usrName"), message.by.as_deref().and_then(wanted));
    }

    #[test]
    fn a_template_gives_json_whatever_it_is_filled_with(message in message()) {
        let template = Template::parse(
            r#"{"text": "{{alert.severity}}: {{ alert.description }} {{comment}} {{happened}}", "all": {{payload}}}"#,
        ).unwrap();
        let value: Value = serde_json::from_slice(&template.fill(&message, Format::Json)).unwrap();
        let text = value["text"].as_str().unwrap();
        let wanted = format!("{}: {}", message.alert.severity, message.alert.description);
        prop_assert!(text.starts_with(&wanted), "{text:?}");
        prop_assert_eq!(&value["all"]["id"], &json!(message.id));
    }
}

/// The head of a message, and its keys with their values.
type Cef = (Vec<String>, Vec<(String, String)>);

/// Reads CEF as its specification says.
fn read_cef(text: &str) -> Option<Cef> {
    let mut head = vec![String::new()];
    let mut letters = text.char_indices();
    let mut rest = "";
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => head.last_mut()?.push(letters.next()?.1),
            '|' if head.len() == 7 => {
                rest = text.get(at + 1..)?;
                break;
            }
            '|' => head.push(String::new()),
            other => head.last_mut()?.push(other),
        }
    }
    // A key is the word before an equals sign that is not escaped; a value ends before the next key.
    let bytes = rest.as_bytes();
    let mut signs = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'=' => signs.push(at),
            _ => {}
        }
        at += 1;
    }
    let begin = |sign: usize| rest.get(..sign).and_then(|before| before.rfind(' ')).map_or(0, |space| space + 1);
    let mut pairs = Vec::new();
    for (place, &sign) in signs.iter().enumerate() {
        let end = signs.get(place + 1).map_or(rest.len(), |&next| begin(next).saturating_sub(1));
        let mut value = String::new();
        let mut letters = rest.get(sign + 1..end)?.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next()? {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    other => value.push(other),
                },
                other => value.push(other),
            }
        }
        pairs.push((rest.get(begin(sign)..sign)?.to_owned(), value));
    }
    Some((head, pairs))
}

#[test]
fn the_schema_fits_what_is_sent() {
    let schema = schema();
    let text = schema.to_string();
    assert!(!text.contains("#/components/"));
    // Each reference is there, and each key that is sent is told of.
    for name in text.split("#/$defs/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(schema["$defs"].get(name).is_some(), "{name}");
    }
    let sent = own(&sample());
    for key in sent.as_object().unwrap().keys() {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn numbers_of_alert_types_are_told_apart() {
    let mut numbers: Vec<u32> = ot_engine::catalogue::all().iter().map(|kind| eve::signature_id(kind.id)).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
    assert!(numbers.iter().all(|number| (1_000_000..2_000_000).contains(number)));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("ääääää", 8), "ää…");
    let mut message = sample();
    message.alert.description = "ä".repeat(100_000);
    for format in Format::ALL {
        let length = render(format, &message).len();
        assert!(length < 40_000, "{format:?}: {length}");
    }
}

#[test]
fn sentinel_has_the_fields_of_the_table() {
    let mut message = sample();
    message.link = Some("https://sensor.example/alerts/3f2a91c4".into());
    let value: Value = serde_json::from_slice(&render(Format::Sentinel, &message)).unwrap();
    for (key, wanted) in [
        ("AlertSeverity", "High"),
        ("Status", "New"),
        ("VendorOriginalId", message.alert.id.as_str()),
        ("AlertLink", "https://sensor.example/alerts/3f2a91c4"),
        ("Tactics", "InitialAccess, ImpairProcessControl"),
        ("Techniques", "[\"T0848\",\"T0855\"]"),
    ] {
        assert_eq!(value[key].as_str(), Some(wanted), "{key}");
    }
    let inner = |key: &str| serde_json::from_str::<Value>(value[key].as_str().unwrap()).unwrap();
    let entities = inner("Entities");
    assert_eq!(entities[0], json!({"$id": "1", "Type": "ip", "Address": "192.0.2.66"}));
    assert_eq!(entities[1]["IpAddress"], json!({"$ref": "1"}));
    assert_eq!(entities[3]["DeviceName"], json!("PLC press 3 (192.0.2.11)"));
    let extended = inner("ExtendedProperties");
    for (key, wanted) in [("isNew", "true"), ("sensor", "ot-sensor"), ("site", "example site"), ("zone", "cell 1")] {
        assert_eq!(extended[key].as_str(), Some(wanted), "{key}");
    }
    message.change = "status".into();
    let text = String::from_utf8(render(Format::Sentinel, &message)).unwrap();
    assert!(text.contains(r#"\"isNew\":\"false\""#), "{text}");
}
