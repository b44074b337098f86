//! Opening a store: making a new file, checking the format of an old one, and bringing back what lives in memory.

use super::appender::{Appender, Found, delete_run, filter_of};
use super::block::{Damage, Packer, Tail};
use super::dedupe::{Dedupe, Run};
use super::digest::Digest;
use super::list_log::ListLog;
use super::list_reader;
use super::run::{RunMeta, decode_part};
use super::seal::worth_joining;
use super::tables::*;
use super::terms::Terms;
use super::{Keys, Options, Shared, Store};
use arc_swap::ArcSwap;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction};
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex};

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process has this store open; stop it first, or talk to it")]
    InUse,
    #[error(
        "the file was written by a newer Weir (format {found}; this one reads up to {known}); use that version, or restore a backup"
    )]
    Newer { found: u32, known: u32 },
    #[error("the file is not a Weir store")]
    NotAStore,
    #[error("the store could not be opened: {0}")]
    Disk(#[source] Box<redb::Error>),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Commit(#[from] super::CommitError),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for OpenError {
            fn from(error: redb::$error) -> Self {
                OpenError::Disk(Box::new(error.into()))
            }
        })*
    };
}
from_redb!(TransactionError, TableError, StorageError, CommitError);

impl From<super::ReadError> for OpenError {
    fn from(error: super::ReadError) -> Self {
        match error {
            super::ReadError::Damage(damage) => OpenError::Damage(damage),
            super::ReadError::Disk(error) => OpenError::Disk(error),
            super::ReadError::Compress(error) => error.into(),
            super::ReadError::Missing(what) => {
                Damage { what: "store", first: 0, why: format!("{what} is missing") }.into()
            }
        }
    }
}

impl From<std::io::Error> for OpenError {
    fn from(error: std::io::Error) -> Self {
        OpenError::Disk(Box::new(redb::Error::Io(error)))
    }
}

impl From<redb::DatabaseError> for OpenError {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            // So redb says that the file does not begin as its files do.
            redb::DatabaseError::Storage(redb::StorageError::Io(io)) if io.kind() == ErrorKind::InvalidData => {
                OpenError::NotAStore
            }
            other => OpenError::Disk(Box::new(other.into())),
        }
    }
}

impl Store {
    /// Opens the store at a path, or makes a new one. `seed` becomes a new store's ID and hash key.
    pub fn open(path: &Path, options: Options, seed: [u8; 32]) -> Result<(Store, Appender), OpenError> {
        if !path.exists() {
            make(path, &options, seed)?;
        }
        let db = builder(&options).create(path)?;
        open(db, options, seed)
    }

    /// The same on any disk, so that a test can supply one that loses what was not synced.
    pub fn open_on(
        backend: impl StorageBackend,
        options: Options,
        seed: [u8; 32],
    ) -> Result<(Store, Appender), OpenError> {
        let db = builder(&options).create_with_backend(backend)?;
        open(db, options, seed)
    }
}

fn builder(options: &Options) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    builder
}

/// Makes the file, if it is not there, so that only its owner can read it, also in a directory that others may enter.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes a new store beside its place and gives it its name when it is whole: a power cut leaves no file, or one that opens.
fn make(path: &Path, options: &Options, seed: [u8; 32]) -> Result<(), OpenError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    private(Path::new(&beside))?;
    let db = match builder(options).create(&beside) {
        Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(OpenError::InUse),
        // An earlier attempt was cut short; nothing was ever stored in it.
        Err(_) if Path::new(&beside).exists() => {
            fs::remove_file(&beside)?;
            private(Path::new(&beside))?;
            builder(options).create(&beside)?
        }
        made => made?,
    };
    if read_meta(&db)?.is_none() {
        create(&db, seed)?;
    }
    drop(db);
    // A link replaces nothing, should another process have been faster; not every file system has them.
    match fs::hard_link(&beside, path) {
        Ok(()) => fs::remove_file(&beside)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(&beside)?,
        Err(_) => fs::rename(&beside, path)?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::File::open(folder)?.sync_all()?)
}

fn open(db: Database, options: Options, seed: [u8; 32]) -> Result<(Store, Appender), OpenError> {
    let (id, keys) = match read_meta(&db)? {
        Some(known) => {
            add_tables(&db)?;
            known
        }
        None => create(&db, seed)?,
    };
    drop_orphans(&db)?;
    let terms = read_terms(&db)?;
    let (list_log, lists) = list_reader::read(&db, &id, &keys, options.lists)?;
    let found = find(&db, &options, list_log)?;
    let shared = Arc::new(Shared {
        db,
        id,
        keys,
        terms: ArcSwap::from_pointee(terms),
        options,
        packers: Mutex::default(),
        packing: AtomicBool::new(true),
        lists,
        next: AtomicU64::new(found.next),
        own_end: AtomicU64::new(found.next),
        configured_window_ms: options.dedupe.window_ms,
        window_ms: AtomicI64::new(options.dedupe.window_ms),
    });
    let packer = Packer::new(options.compression).map_err(super::CommitError::Compress)?;
    let appender = Appender::new(shared.clone(), options, found, packer);
    Ok((Store { shared }, appender))
}

fn read_meta(db: &Database) -> Result<Option<(String, Keys)>, OpenError> {
    let transaction = db.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return match transaction.list_tables()?.next() {
                None => Ok(None),
                Some(_) => Err(OpenError::NotAStore),
            };
        }
        Err(other) => return Err(other.into()),
    };
    let field = |name: &str| -> Result<Vec<u8>, OpenError> {
        Ok(meta.get(name)?.ok_or(OpenError::NotAStore)?.value().to_vec())
    };
    let format = field("format")?.try_into().map(u32::from_le_bytes).map_err(|_| OpenError::NotAStore)?;
    if format > FORMAT {
        return Err(OpenError::Newer { found: format, known: FORMAT });
    }
    if format < FORMAT {
        raise_format(db)?;
    }
    let id = String::from_utf8(field("store_id")?).map_err(|_| OpenError::NotAStore)?;
    let key: [u8; 16] = field("hash_key")?.try_into().map_err(|_| OpenError::NotAStore)?;
    Ok(Some((id, Keys::from_bytes(key))))
}

/// From now on the file may hold what an older version would not understand; what it holds so far is read as it is.
fn raise_format(db: &Database) -> Result<(), OpenError> {
    let transaction = db.begin_write()?;
    transaction.open_table(META)?.insert("format", FORMAT.to_le_bytes().as_slice())?;
    Ok(transaction.commit()?)
}

fn create(db: &Database, seed: [u8; 32]) -> Result<(String, Keys), OpenError> {
    let (id, key) = seed.split_at(16);
    let id: String = id.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let mut hash_key = [0; 16];
    hash_key.copy_from_slice(key);
    let transaction = db.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
        meta.insert("store_id", id.as_bytes())?;
        meta.insert("hash_key", hash_key.as_slice())?;
        let mut terms = transaction.open_table(TERMS)?;
        for (number, name) in Terms::seeded().id_types.iter() {
            terms.insert((ID_TYPES, number.0), name)?;
        }
    }
    make_tables(&transaction)?;
    transaction.commit()?;
    Ok((id, Keys::from_bytes(hash_key)))
}

/// Readers may then take every table for granted.
fn make_tables(transaction: &WriteTransaction) -> Result<(), OpenError> {
    transaction.open_table(TAILS)?;
    transaction.open_table(BLOCKS)?;
    transaction.open_table(COLUMNS)?;
    transaction.open_table(DIGESTS)?;
    transaction.open_table(VOLUMES)?;
    transaction.open_table(TALLIES)?;
    transaction.open_table(TOTALS)?;
    transaction.open_table(SAMPLES)?;
    transaction.open_table(ITEMS)?;
    transaction.open_table(HISTORY)?;
    transaction.open_table(KEYS)?;
    transaction.open_table(RUNS)?;
    transaction.open_table(RUN_KEYS)?;
    transaction.open_table(RUN_FILTERS)?;
    transaction.open_table(LISTS)?;
    transaction.open_table(LIST_MEMBERS)?;
    transaction.open_table(LIST_FILES)?;
    transaction.open_table(CURSORS)?;
    transaction.open_table(DEAD_LETTERS)?;
    Ok(())
}

/// Files of before there were ID lists or cursors lack their tables and are otherwise the same.
fn add_tables(db: &Database) -> Result<(), OpenError> {
    match db.begin_read()?.open_table(CURSORS) {
        Err(redb::TableError::TableDoesNotExist(_)) => {
            let transaction = db.begin_write()?;
            make_tables(&transaction)?;
            Ok(transaction.commit()?)
        }
        found => Ok(found.map(drop)?),
    }
}

/// Removes the parts of a merge that a crash cut short.
fn drop_orphans(db: &Database) -> Result<(), OpenError> {
    let transaction = db.begin_read()?;
    let runs = transaction.open_table(RUNS)?;
    let keys = transaction.open_table(RUN_KEYS)?;
    let mut orphans = BTreeSet::new();
    let mut at = 0;
    while let Some(entry) = keys.range((at, 0)..)?.next() {
        let run = entry?.0.value().0;
        if runs.get(run)?.is_none() {
            orphans.insert(run);
        }
        at = run + 1;
    }
    drop((runs, keys, transaction));
    if orphans.is_empty() {
        return Ok(());
    }
    let transaction = db.begin_write()?;
    for run in orphans {
        delete_run(&transaction, run)?;
    }
    Ok(transaction.commit()?)
}

fn read_terms(db: &Database) -> Result<Terms, OpenError> {
    let mut terms = Terms::default();
    for entry in db.begin_read()?.open_table(TERMS)?.iter()? {
        let (key, text) = entry?;
        let (dictionary, number) = key.value();
        let known = match dictionary {
            NAMES => &mut terms.names,
            SUBJECTS => &mut terms.subjects,
            ENVIRONMENTS => &mut terms.environments,
            ID_TYPES => &mut terms.id_types,
            FIELDS => &mut terms.fields,
            other => return Err(Damage { what: "dictionary", first: u64::from(other), why: "unknown".into() }.into()),
        };
        if known.intern(text.value()).0 != number {
            let why = format!("number {number} is out of order");
            return Err(Damage { what: "dictionary", first: u64::from(dictionary), why }.into());
        }
    }
    Ok(terms)
}

fn find(db: &Database, options: &Options, lists: ListLog) -> Result<Found, OpenError> {
    let transaction = db.begin_read()?;
    let mut dedupe = Dedupe::new(options.dedupe);
    let mut next_run = 0;
    let run_keys = transaction.open_table(RUN_KEYS)?;
    let run_filters = transaction.open_table(RUN_FILTERS)?;
    for entry in transaction.open_table(RUNS)?.iter()? {
        let (run, meta) = entry?;
        let run = run.value();
        next_run = run + 1;
        let meta = RunMeta::decode(meta.value(), run)?;
        let parts = |table: &redb::ReadOnlyTable<(u64, u32), &[u8]>| -> Result<Vec<Vec<u8>>, OpenError> {
            table.range((run, 0)..=(run, u32::MAX))?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let filter = if meta.level == 0 {
            for part in parts(&run_keys)? {
                for key in decode_part(&part, run)? {
                    dedupe.remember(key);
                }
            }
            None
        } else {
            Some(filter_of(&meta, &parts(&run_filters)?, run)?)
        };
        dedupe.add_run(Run { id: run, meta, filter });
    }
    let mut sealed = 0;
    let mut last_block = None;
    if let Some((first, digest)) = transaction.open_table(DIGESTS)?.last()? {
        let first = first.value();
        let digest = Digest::decode(digest.value(), first)?;
        sealed = first + digest.rows;
        let packed = transaction.open_table(BLOCKS)?.get(first)?.map_or(0, |block| block.value().len());
        let join = worth_joining(packed, digest.text_bytes, options.block_bytes);
        last_block = join.then_some((first, digest.text_bytes));
    }
    let mut next = sealed;
    let mut tails = VecDeque::new();
    for entry in transaction.open_table(TAILS)?.iter()? {
        let (first, bytes) = entry?;
        let first = first.value();
        let tail = Tail::decode(bytes.value(), first)?;
        if first > next {
            return Err(Damage { what: "tail", first, why: format!("events {next} to {first} are missing") }.into());
        }
        let rows = tail.columns.len() as u64;
        tails.push_back((first, rows, tail.text_bytes() as u64));
        next = next.max(first + rows);
        for key in tail.fingerprints {
            dedupe.remember(key);
        }
    }
    let samples = transaction.open_table(SAMPLES)?;
    let oldest_sample = samples.first()?.map_or(0, |(number, _)| number.value());
    let next_sample = samples.last()?.map_or(0, |(number, _)| number.value() + 1);
    Ok(Found { dedupe, lists, next, tails, sealed, last_block, next_run, next_sample, oldest_sample })
}
