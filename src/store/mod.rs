//! Every sample and alert in one redb file.
