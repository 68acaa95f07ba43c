//! A database as it comes out of gzip: any bytes end in problems or in content that can be read, never in a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook_kit::model::snapshot;

/// Where bbolt's page header ends and the meta fields start, and the bytes of them that the checksum covers.
const META: usize = 16;
const COVERED: usize = 56;

fuzz_target!(|data: &[u8]| {
    check(data);
    // Hardly any mutation keeps the checksums right, and behind them is all that is worth reaching.
    let mut mended = data.to_vec();
    mend(&mut mended, 0);
    let page_size = mended
        .get(META + 8..META + 12)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u32::from_le_bytes);
    if let Some(page_size) = page_size {
        mend(&mut mended, page_size as usize);
    }
    check(&mended);
});

fn mend(database: &mut [u8], page: usize) {
    let Some(meta) = database.get_mut(page.saturating_add(META)..) else {
        return;
    };
    let Some((covered, rest)) = meta.split_at_checked(COVERED) else {
        return;
    };
    let hash = covered.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if rest.len() >= 8 {
        meta[COVERED..COVERED + 8].copy_from_slice(&hash.to_le_bytes());
    }
}

fn check(database: &[u8]) {
    let reading = snapshot::read(&database).expect("a slice can always be read");
    let Some(content) = reading.content else {
        assert!(!reading.problems.is_empty(), "no content, and no reason");
        return;
    };
    assert!(content.db_size <= database.len() as u64);
    assert!(content.keys.len() as u64 <= content.records);
    assert!(content.keys.is_sorted_by(|left, right| left.key < right.key));
    for live in &content.keys {
        let value = live.value(&database).expect("where a value is has been checked");
        assert_eq!(value.len(), live.value.length as usize);
    }
}
