//! Values that many sites share, made once per load.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use regex::bytes::Regex;

use crate::model::{ClientIdentity, TlsFiles};

/// The cache of one load.
#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) patterns: RefCell<HashMap<String, Regex>>,
    pub(crate) roots: RefCell<HashMap<PathBuf, Roots>>,
    pub(crate) identities: RefCell<HashMap<[PathBuf; 2], Arc<ClientIdentity>>>,
    pub(crate) tls_files: RefCell<HashMap<TlsPaths, Arc<TlsFiles>>>,
}

/// The paths of a site's roots and of its identity.
pub(crate) type TlsPaths = [Option<Vec<PathBuf>>; 2];

/// Trusted certificates, DER.
pub(crate) type Roots = Arc<Vec<Vec<u8>>>;
