//! What a store lists and the small files in it: any text ends in an error or in a value that says the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook_kit::model::backup::meta::BackupMeta;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::etcd_manager::control::{ClusterCreated, ClusterSpec, Command};
use runbook_kit::model::etcd_manager::layout::Listing;
use runbook_kit::model::store_url::StoreUrl;

fuzz_target!(|data: &[u8]| {
    if let Ok(meta) = BackupMeta::parse(data) {
        let _ = (meta.taken(), meta.member_count());
    }
    let _ = ClusterSpec::parse(data);
    if let Ok(created) = ClusterCreated::parse(data) {
        let _ = created.created();
    }
    if let Ok(command) = Command::parse(data) {
        let _ = command.queued();
    }
    if let Ok(text) = std::str::from_utf8(data) {
        names(text);
    }
});

fn names(text: &str) {
    if let Ok(name) = text.parse::<BackupName>() {
        assert_eq!(name.as_str(), text);
        assert!(
            text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'),
            "it becomes a part of a path"
        );
    }
    if let Ok(reference) = text.parse::<BackupRef>() {
        let again: BackupRef = reference.to_string().parse().expect("a printed reference parses");
        assert_eq!(again, reference);
    }
    if let Ok(url) = text.parse::<StoreUrl>() {
        let again: StoreUrl = url.to_string().parse().expect("a printed URL parses");
        assert_eq!(again, url);
        let _ = (url.parent(), url.name(), url.join("backups/etcd/main"));
    }
    let listing = Listing::of(text.lines().map(|path| (path, 1)));
    assert!(listing.backups.is_sorted_by(|left, right| left.name < right.name));
    let told = listing.backups.len() + listing.commands.len() + listing.foreign.len();
    assert!(told <= text.lines().count());
}
