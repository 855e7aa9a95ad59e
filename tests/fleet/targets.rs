//! The sites that locations check: a web server whose paths fail at the wish of a test.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::{Behaviour, Server, Step, response};

/// The paths that fail at the moment.
#[derive(Clone, Default)]
pub struct Failing(Arc<Mutex<BTreeSet<String>>>);

impl Failing {
    /// A web server that answers these with 500 and all others with 200, and its port.
    pub fn server(&self) -> (Server, String) {
        let failing = self.clone();
        let web = Server::start(Behaviour::answering(move |request| {
            let status = if failing.0.lock().unwrap().contains(&request.target) { 500 } else { 200 };
            vec![Step::send(response(status, "answer"))]
        }));
        let port = web.url("/").rsplit_once(':').unwrap().1.trim_end_matches('/').to_owned();
        (web, port)
    }

    /// These fail, and no others.
    pub fn set(&self, paths: &[&str]) {
        *self.0.lock().unwrap() = paths.iter().map(|path| (*path).to_owned()).collect();
    }

    /// These fail, too.
    pub fn add(&self, paths: &[&str]) {
        self.0.lock().unwrap().extend(paths.iter().map(|path| (*path).to_owned()));
    }
}
