//! Damage: files cut at every byte, every single byte changed, segments missing, foreign or newer files.

use super::support::{accepted, quote, small};
use crate::agent::Agent;
use crate::journal::files::{list, raw_path};
use crate::journal::format::{HEADER_BYTES, Header, parse};
use crate::journal::*;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A journal of one segment with the quotes `1..=events`, effects and checkpoints between; the path of its segment.
fn one_segment(dir: &Path, events: u64) -> PathBuf {
    let (mut journal, flusher, _) = Journal::open(dir, small()).unwrap();
    for seq in 1..=events {
        let effects = [accepted(seq), accepted(seq + 1)];
        journal.append(&quote(seq), 0, &effects[..seq as usize % 3]).unwrap();
        if seq % 5 == 0 {
            journal.checkpoint(seq).unwrap();
        }
    }
    drop((journal, flusher));
    raw_path(dir, 1)
}

/// Where each record of the segment begins and ends, and the last event at that end.
fn records(bytes: &[u8]) -> Vec<(usize, usize, u64)> {
    let (mut at, mut seq, mut found) = (HEADER_BYTES, 0, Vec::new());
    while let Ok(record) = parse(&bytes[at..]) {
        if let format::RecordBody::Event(event) = record.body {
            seq = event.seq;
        }
        found.push((at, at + record.total, seq));
        at += record.total;
    }
    found
}

/// Reads the directory to the end; the events read, or the error.
fn read(dir: &Path) -> Result<u64, ReadError> {
    let mut reader = Reader::open(dir, 0)?;
    let mut events = 0;
    while let Some(record) = reader.next()? {
        assert_eq!(record.event, quote(record.event.seq), "what is shown is what was written");
        events += 1;
    }
    Ok(events)
}

#[test]
fn a_file_cut_at_any_byte_keeps_exactly_the_records_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = one_segment(dir.path(), 12);
    let whole = fs::read(&path).unwrap();
    let records = records(&whole);
    assert_eq!(records.len(), 14);
    let end = records[13].1;
    for cut in records[12].0..end {
        // Cut off, as by a copy that stopped; and zeroed, as by a machine that lost power.
        for truncated in [true, false] {
            let mut bytes = whole.clone();
            if truncated {
                bytes.truncate(cut);
            } else {
                bytes[cut..].fill(0);
            }
            fs::write(&path, &bytes).unwrap();
            let good = records.iter().rev().find(|r| r.1 <= cut).unwrap();
            // A record that ends in zeros loses nothing by having those zeroed.
            let good = match records.iter().find(|r| r.0 == good.1) {
                Some(next) if !truncated && whole[cut..next.1].iter().all(|b| *b == 0) => next,
                _ => good,
            };
            let (mut journal, flusher, recovered) = Journal::open(dir.path(), small()).unwrap();
            assert_eq!(recovered.last_seq, good.2, "cut at {cut}");
            assert_eq!(recovered.events, good.2);
            let lost = truncated || good.1 < end;
            assert_eq!(recovered.reason.is_some(), lost, "cut at {cut}: {:?}", recovered.reason);
            assert_eq!(recovered.cut_bytes, (end - good.1) as u64, "cut at {cut}");
            assert_eq!(read(dir.path()).unwrap(), good.2);
            journal.append(&quote(good.2 + 1), 0, &[]).unwrap();
            assert_eq!(read(dir.path()).unwrap(), good.2 + 1);
            drop((journal, flusher));
            let bytes = fs::read(&path).unwrap();
            assert_eq!(bytes[..good.1][HEADER_BYTES..], whole[..good.1][HEADER_BYTES..], "what was good is unchanged");
            let (.., again) = Journal::open(dir.path(), small()).unwrap();
            assert_eq!((again.last_seq, again.reason), (good.2 + 1, None), "a cut is whole");
        }
    }
}

#[test]
fn a_change_of_any_single_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = one_segment(dir.path(), 7);
    let whole = fs::read(&path).unwrap();
    let records = records(&whole);
    let (last_start, end, _) = records[records.len() - 1];
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let beyond = [end, end + 1, end + 7, end + 8, end + 16, 4096, whole.len() / 2, whole.len() - 1];
    for at in (0..end).chain(beyond) {
        let bit = 1 << (at % 8);
        let flipped = [whole[at] ^ bit];
        file.write_all_at(&flipped, at as u64).unwrap();
        // A reader errs, or has not reached it; it never shows anything else than was written.
        let read = read(dir.path());
        let opened = Journal::open(dir.path(), small()).map(|(.., recovered)| recovered);
        if at < last_start {
            let refused = opened.expect_err(&format!("byte {at} was changed and nobody saw"));
            let said = refused.to_string();
            assert!(said.contains(&path.display().to_string()), "{said}");
            // The bytes 72 to 128 say nothing: only a writer insists on their being 0.
            assert!(read.is_err() || (72..HEADER_BYTES).contains(&at), "byte {at}");
            let mut now = fs::read(&path).unwrap();
            now[at] ^= bit;
            assert!(now == whole, "byte {at}: the file was not left as it was found");
        } else {
            let recovered = opened.unwrap_or_else(|e| panic!("byte {at}: {e}"));
            assert!(recovered.reason.is_some() && recovered.cut_bytes > 0, "byte {at}: {recovered:?}");
            let kept = if at < end { last_start } else { end };
            assert_eq!(fs::read(&path).unwrap()[HEADER_BYTES..kept], whole[HEADER_BYTES..kept]);
            assert_eq!(read.is_err(), at < end, "byte {at}");
        }
        file.write_all_at(&whole, 0).unwrap();
    }
}

/// Three segments: `(first_seq, path)` of each.
fn three_segments(dir: &Path) -> Vec<PathBuf> {
    let (mut journal, mut flusher, _) = Journal::open(dir, small()).unwrap();
    for seq in 1..=20_000 {
        if journal.append(&quote(seq), 0, &[]).is_err() {
            flusher.do_work(0);
            journal.append(&quote(seq), 0, &[]).unwrap();
        }
    }
    drop((journal, flusher));
    let files: Vec<_> = list(dir).unwrap().segments.into_iter().map(|file| file.path).collect();
    assert_eq!(files.len(), 3);
    files
}

#[test]
fn a_missing_segment_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments(dir.path());
    fs::remove_file(&files[1]).unwrap();
    for refused in [Journal::open(dir.path(), small()).map(|_| ()).unwrap_err(), read(dir.path()).unwrap_err()] {
        assert!(matches!(refused, JournalError::Missing { .. }), "{refused}");
        assert!(refused.to_string().contains(&files[2].display().to_string()), "{refused}");
    }
}

#[test]
fn a_sealed_segment_is_never_cut() {
    let dir = tempfile::tempdir().unwrap();
    let files = three_segments(dir.path());
    let whole = fs::read(&files[1]).unwrap();
    let records = records(&whole);
    let (seal, end, _) = records[records.len() - 1];
    for at in [8, 16, 70, 100, HEADER_BYTES + 40, seal + 1, seal + 17, end, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&files[1], &bytes).unwrap();
        let refused = Journal::open(dir.path(), small()).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(&files[1].display().to_string()), "byte {at}: {refused}");
        assert!(fs::read(&files[1]).unwrap() == bytes, "byte {at}: the file was changed");
    }
    fs::write(&files[1], &whole[..seal]).unwrap();
    let refused = Journal::open(dir.path(), small()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, JournalError::Corrupt { .. }), "{refused}");
}

#[test]
fn foreign_newer_and_displaced_files_are_refused_as_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = one_segment(dir.path(), 3);
    let whole = fs::read(&path).unwrap();
    let header = Header::decode(&whole).unwrap();
    let refusal = |head: &[u8]| {
        let mut bytes = whole.clone();
        bytes[..head.len()].copy_from_slice(head);
        fs::write(&path, bytes).unwrap();
        let by_reader = Reader::open(dir.path(), 0).map(|_| ()).unwrap_err().to_string();
        let by_writer = Journal::open(dir.path(), small()).map(|_| ()).unwrap_err();
        (by_writer, by_reader)
    };
    let (e, by_reader) = refusal(b"PK\x03\x04 a zip file");
    assert!(matches!(e, JournalError::Foreign { .. }), "{e}");
    assert_eq!(e.to_string(), by_reader);
    let mut newer = header.encode();
    newer[8] = 4;
    let (e, by_reader) = refusal(&newer);
    assert!(matches!(e, JournalError::Version { found: 4, known: 3, .. }), "{e}");
    assert_eq!(e.to_string(), by_reader);
    let (e, _) = refusal(&Header { first_seq: 7, ..header }.encode());
    assert!(matches!(e, JournalError::BadHeader { offset: 16, .. }), "{e}");
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = three_segments(dir.path());
    let others = three_segments(other.path());
    fs::copy(&others[1], &files[1]).unwrap();
    let refused = Journal::open(dir.path(), small()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, JournalError::BadHeader { offset: 12, .. }), "{refused}");
    let refused = read(dir.path()).unwrap_err();
    assert!(matches!(refused, JournalError::BadHeader { .. }), "{refused}");
}

#[test]
fn a_damaged_compressed_segment_is_found_by_who_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { compress: true, raw_segments: 0, ..small() };
    three_segments(dir.path());
    let (journal, mut flusher, _) = Journal::open(dir.path(), config).unwrap();
    while flusher.do_work(0) > 0 {}
    drop((journal, flusher));
    let path = list(dir.path()).unwrap().segments[0].path.clone();
    let whole = fs::read(&path).unwrap();
    assert!(path.extension().is_some_and(|e| e == "gz"));
    // The gzip header says nothing of the content (RFC 1952: time, system), and neither do the few bits that deflate
    // leaves unused between blocks: whoever changes those changes nothing that is read.
    let mut found = 0;
    for at in (24..whole.len()).step_by(whole.len() / 40).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        match read(dir.path()) {
            Ok(events) => assert_eq!(events, 20_000, "byte {at}"),
            Err(refused) => {
                assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
                found += 1;
            }
        }
    }
    assert!(found >= 38, "only {found} changes were found");
}
