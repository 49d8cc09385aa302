use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_core::audit::{Broken, Fault, Start, record::Reload, verify};

use super::*;
use crate::metrics;

/// A directory of its own for one test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("countersign-audit-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|file| file.extension().is_some());
        files.sort();
        files
    }

    fn bytes(&self) -> Vec<u8> {
        self.segments()
            .iter()
            .flat_map(|file| fs::read(file).unwrap())
            .collect()
    }

    fn records(&self) -> Vec<Record> {
        let bytes = self.bytes();
        let lines: Vec<_> = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii_end)
            .collect();
        verify(Start::Genesis, &lines).unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn numbers() -> AuditMetrics {
    AuditMetrics::register(&mut metrics::registry())
}

fn open(scratch: &Scratch) -> Result<Log, OpenError> {
    Log::open(&scratch.0, Timestamp::UNIX_EPOCH, numbers())
}

fn reload(cause: &str) -> Record {
    let event = Event::Reload(Reload {
        cause: cause.to_owned().into(),
        before: None,
        after: Digest::of(&[]),
    });
    Record {
        time: Timestamp::UNIX_EPOCH,
        event,
    }
}

fn causes(records: &[Record]) -> Vec<String> {
    let cause = |record: &Record| match &record.event {
        Event::Reload(reload) => Some(reload.cause.to_string()),
        _ => None,
    };
    records.iter().filter_map(cause).collect()
}

#[tokio::test]
async fn the_chain_goes_on_after_a_restart() {
    let scratch = Scratch::new();
    for cause in ["a", "b", "c"] {
        let log = open(&scratch).unwrap();
        log.append(reload(cause)).await.unwrap();
    }
    let records = scratch.records();
    assert_eq!(
        (records.len(), causes(&records)),
        (6, vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])
    );
}

#[tokio::test]
async fn a_record_torn_at_any_byte_is_cut_off_and_declared() {
    let scratch = Scratch::new();
    let log = open(&scratch).unwrap();
    log.append(reload("kept")).await.unwrap();
    let kept = scratch.bytes().len();
    log.append(reload("torn")).await.unwrap();
    drop(log);
    let whole = scratch.bytes();
    let segment = scratch.segments().remove(0);
    for length in kept..whole.len() {
        fs::write(&segment, &whole[..length]).unwrap();
        drop(open(&scratch).unwrap());
        let records = scratch.records();
        assert_eq!(causes(&records), ["kept"], "{length}");
        let expected = (length > kept).then(|| Torn {
            segment: "00000000000000000000.ndjson".to_owned(),
            bytes: u32::try_from(length - kept).unwrap(),
            digest: Digest::of(&[&whole[kept..length]]),
        });
        assert_eq!(
            records.last(),
            Some(&opened(Timestamp::UNIX_EPOCH, expected)),
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_crash_in_the_very_first_record_begins_anew() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("00000000000000000000.ndjson"), b"{\"index\":0").unwrap();
    drop(open(&scratch).unwrap());
    assert!(matches!(
        &scratch.records()[..],
        [Record {
            event: Event::Opened(Opened { torn: Some(_), .. }),
            ..
        }]
    ));
}

#[tokio::test]
async fn a_tampered_log_is_not_continued() {
    let scratch = Scratch::new();
    let log = open(&scratch).unwrap();
    log.append(reload("honest")).await.unwrap();
    log.append(reload("last")).await.unwrap();
    drop(log);
    let segment = scratch.segments().remove(0);
    let forged = fs::read_to_string(&segment).unwrap().replace("honest", "forged");
    fs::write(&segment, forged).unwrap();
    let error = open(&scratch).unwrap_err();
    let OpenError::Broken {
        path,
        source: Broken {
            line: 3,
            fault: Fault::Link { .. },
        },
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(path, segment);
}

#[tokio::test]
async fn one_directory_has_one_writer() {
    let scratch = Scratch::new();
    let log = open(&scratch).unwrap();
    assert!(matches!(open(&scratch), Err(OpenError::Locked(path)) if path == scratch.0.join("lock")));
    drop(log);
    open(&scratch).unwrap();
}

#[tokio::test]
async fn the_head_of_an_empty_segment_is_in_the_one_before() {
    let scratch = Scratch::new();
    drop(open(&scratch).unwrap());
    fs::write(scratch.0.join("00000000000000000001.ndjson"), b"{").unwrap();
    drop(open(&scratch).unwrap());
    assert_eq!((scratch.segments().len(), scratch.records().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_are_all_durable_and_in_order() {
    let scratch = Scratch::new();
    let log = open(&scratch).unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|task| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut receipts = Vec::new();
                for step in 0..5 {
                    let cause = format!("{task}/{step}");
                    receipts.push((log.append(reload(&cause)).await.unwrap(), cause));
                }
                receipts
            })
        })
        .collect();
    let mut receipts = Vec::new();
    for task in tasks {
        receipts.extend(task.await.unwrap());
    }
    drop(log);
    receipts.sort_by_key(|(receipt, _)| receipt.index());
    let expected: Vec<_> = receipts.iter().map(|(_, cause)| cause.clone()).collect();
    assert_eq!(causes(&scratch.records()), expected);
    assert_eq!(receipts.last().map(|(receipt, _)| receipt.index()), Some(1000));
}

/// A disk that takes `good` batches and then fails once; what it is asked after that counts as a retry.
struct FailingDisk {
    good: usize,
    calls: Arc<Mutex<usize>>,
}

impl Storage for FailingDisk {
    fn commit(&mut self, _: &Head, _: &[u8]) -> io::Result<()> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if *calls > self.good {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_failed_sync_is_never_retried_and_ends_the_log() {
    let calls = Arc::new(Mutex::new(0));
    let disk = FailingDisk {
        good: 2,
        calls: calls.clone(),
    };
    let log = Log::start(
        (disk, Standing::default()),
        &Head::genesis("w"),
        &reload("first"),
        numbers(),
    )
    .unwrap();
    assert_eq!(
        log.append(reload("good")).await.map(|receipt| receipt.index()),
        Ok(1)
    );
    assert!(log.is_available());
    assert_eq!(log.append(reload("bad")).await, Err(AuditError::Unavailable));
    log.failed().await;
    assert!(!log.is_available());
    assert_eq!(log.append(reload("after")).await, Err(AuditError::Unavailable));
    assert_eq!(*calls.lock().unwrap(), 3);
}

/// A disk that is stuck until it is told to go on.
struct StuckDisk(std::sync::mpsc::Receiver<()>);

impl Storage for StuckDisk {
    fn commit(&mut self, _: &Head, _: &[u8]) -> io::Result<()> {
        self.0.recv().map_err(io::Error::other)
    }
}

#[tokio::test]
async fn a_full_queue_is_overload_and_not_failure() {
    let (go, stuck) = std::sync::mpsc::channel();
    go.send(()).unwrap();
    let log = Log::start(
        (StuckDisk(stuck), Standing::default()),
        &Head::genesis("w"),
        &reload("first"),
        numbers(),
    )
    .unwrap();
    let mut waiting = Vec::new();
    let overloaded = loop {
        let mut append = Box::pin(log.append(reload("more")));
        match futures::poll!(&mut append) {
            std::task::Poll::Pending => waiting.push(append),
            std::task::Poll::Ready(result) => break result,
        }
    };
    assert_eq!(overloaded, Err(AuditError::Overloaded));
    assert!(waiting.len() >= QUEUE && log.is_available());
    (0..waiting.len()).for_each(|_| go.send(()).unwrap());
    assert!(futures::future::join_all(waiting).await.iter().all(Result::is_ok));
}
