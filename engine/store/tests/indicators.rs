//! Indicator lists in a store.

#![allow(missing_docs, clippy::unwrap_used)]

use ot_engine::indicators::{Indicator, Value};
use ot_protocol::Timestamp;
use ot_store::read::Reader;
use ot_store::{IndicatorList, Store};

fn list(name: &str) -> IndicatorList {
    IndicatorList {
        name: name.to_owned(),
        source: "feed.txt".to_owned(),
        format: "text".to_owned(),
        who: "operator".to_owned(),
        wall_time: Timestamp(7),
    }
}

fn entry(name: &str, value: Value, expires: Option<i64>) -> Indicator {
    Indicator { list: name.to_owned(), value, note: "c2".to_owned(), expires: expires.map(Timestamp) }
}

#[test]
fn a_list_is_imported_replaced_and_removed_and_each_change_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut store = Store::open(&path).unwrap();
    assert_eq!((store.indicator_change().unwrap(), store.indicators().unwrap()), (0, Vec::new()));
    let address = entry("abuse", Value::Address("2001:db8::7".parse().unwrap()), Some(50));
    let network = entry("abuse", Value::Network("198.51.100.0/24".parse().unwrap()), Some(60));
    let domain = entry("cert", Value::Domain("evil.example".into()), None);
    assert_eq!(store.import_indicators(&list("abuse"), &[address.clone(), network.clone()]).unwrap(), 0);
    assert_eq!(store.import_indicators(&list("cert"), std::slice::from_ref(&domain)).unwrap(), 0);
    assert_eq!(store.indicators().unwrap(), [address, network.clone(), domain.clone()]);

    let lists = Reader::open(&path).unwrap().indicator_lists().unwrap();
    let short: Vec<_> = lists.iter().map(|row| (row.list.name.as_str(), row.counts, row.expires)).collect();
    assert_eq!(short, [("abuse", [1, 1, 0], Some(Timestamp(60))), ("cert", [0, 0, 1], None)]);

    assert_eq!(store.import_indicators(&list("abuse"), std::slice::from_ref(&network)).unwrap(), 2);
    assert_eq!(Reader::open(&path).unwrap().indicators(Some("abuse")).unwrap(), [network]);
    assert_eq!(store.remove_indicators("abuse").unwrap(), Some(1));
    assert_eq!(store.remove_indicators("abuse").unwrap(), None);
    assert_eq!(Store::open(&path).unwrap().indicators().unwrap(), [domain]);
    assert_eq!(store.indicator_change().unwrap(), 4);
    assert!(ot_store::dump(&path).unwrap().iter().any(|line| line.contains("evil.example")));
}
