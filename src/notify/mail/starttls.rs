//! The start of an SMTP connection that is secured on request (STARTTLS, RFC 3207).
//!
//! Invariants: a server that does not offer TLS is refused, never used without; so is one that says more than its answer
//! before TLS, since that could pass for an answer after it. Bounds: [`REPLY_MAX`] per answer.

use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::notify::answer::FailureKind;

use super::Fault;

/// Bytes of one answer.
const REPLY_MAX: usize = 8 << 10;

/// Asks the server at the other end of `line` for TLS. The next byte on it is TLS.
pub(super) async fn request<S>(line: &mut S, hello: &ClientId) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    ask(line, None).await?;
    let offers = ask(line, Some(format!("EHLO {hello}\r\n"))).await?;
    let has_starttls = offers
        .lines()
        .skip(1)
        .any(|offer| offer.get(4..).is_some_and(|keyword| keyword.trim_end().eq_ignore_ascii_case("STARTTLS")));
    if !has_starttls {
        let reason = "the server does not offer STARTTLS; for TLS from the start write smtps://".to_owned();
        return Err((FailureKind::Broken, reason));
    }
    ask(line, Some("STARTTLS\r\n".to_owned())).await.map(drop)
}

/// Sends `command`, if any, and reads the whole answer, which must be positive.
async fn ask<S>(line: &mut S, command: Option<String>) -> Result<String, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: std::io::Error| (FailureKind::Transient, format!("connection lost before TLS: {error}"));
    if let Some(command) = command {
        line.write_all(command.as_bytes()).await.map_err(broken)?;
        line.flush().await.map_err(broken)?;
    }
    let mut reply = Vec::new();
    while !is_whole(&reply) {
        let mut piece = [0; 1_024];
        let read = line.read(&mut piece).await.map_err(broken)?;
        reply.extend_from_slice(&piece[..read]);
        if read == 0 || reply.len() > REPLY_MAX {
            return Err((FailureKind::Transient, "the server does not speak SMTP".to_owned()));
        }
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    if answers(&reply) != 1 {
        return Err((FailureKind::Broken, "the server spoke out of turn before TLS".to_owned()));
    }
    match reply.as_bytes().first() {
        Some(b'2') => Ok(reply),
        Some(b'4') => Err((FailureKind::Transient, reply)),
        Some(b'5') => Err((FailureKind::Broken, reply)),
        _ => Err((FailureKind::Transient, format!("the server does not speak SMTP: {reply}"))),
    }
}

/// Whether `reply` ends with the last line of an answer: three digits and no hyphen.
fn is_whole(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\n") else { return false };
    is_last(lines.rsplit(|&byte| byte == b'\n').next().unwrap_or_default())
}

fn is_last(line: &[u8]) -> bool {
    line.get(3).is_none_or(|&byte| byte != b'-')
}

/// How many answers `reply` holds.
fn answers(reply: &str) -> usize {
    reply.lines().filter(|line| is_last(line.as_bytes())).count()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What comes of a server that answers with `replies`, one to each command, the first unasked; and what it was sent.
    async fn with(replies: &'static [&'static str]) -> (Result<(), Fault>, String) {
        let (mut ours, mut theirs) = duplex(64 << 10);
        let served = async move {
            let (mut heard, mut piece) = (Vec::new(), [0; 1_024]);
            for (index, reply) in replies.iter().enumerate() {
                if index > 0 {
                    let read = theirs.read(&mut piece).await.unwrap();
                    heard.extend_from_slice(&piece[..read]);
                }
                drop(theirs.write_all(reply.as_bytes()).await);
            }
            drop(theirs);
            String::from_utf8(heard).unwrap()
        };
        let hello = ClientId::Domain("me.test".to_owned());
        let (asked, heard) = tokio::join!(request(&mut ours, &hello), served);
        (asked, heard)
    }

    #[tokio::test]
    async fn tls_is_asked_for_and_granted() {
        let (asked, heard) =
            with(&["220-hello\r\n220 there\r\n", "250-x\r\n250-starttls\r\n250 SIZE 9\r\n", "220 go\r\n"]).await;
        assert_eq!(asked, Ok(()));
        assert_eq!(heard, "EHLO me.test\r\nSTARTTLS\r\n");
    }

    #[tokio::test]
    async fn a_server_without_tls_or_with_too_many_words_is_refused() {
        use FailureKind::{Broken, Transient};
        for (replies, kind, part) in [
            (&["220 x\r\n", "250-x\r\n250 AUTH PLAIN\r\n"][..], Broken, "does not offer STARTTLS"),
            (&["220 x\r\n", "250-STARTTLS.example\r\n250 SIZE\r\n"], Broken, "does not offer STARTTLS"),
            (&["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"], Broken, "out of turn"),
            (&["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "454 not now\r\n"], Transient, "454 not now"),
            (&["554 go away\r\n"], Broken, "554 go away"),
            (&["421 busy\r\n"], Transient, "421 busy"),
            (&["HTTP/1.1 400 Bad Request\r\n"], Transient, "does not speak SMTP"),
            (&["220 x"], Transient, "does not speak SMTP"),
            (&[], Transient, "does not speak SMTP"),
        ] {
            let (asked, heard) = with(replies).await;
            let (found, reason) = asked.unwrap_err();
            assert!(found == kind && reason.contains(part), "{replies:?}: {found:?} {reason}");
            assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let (mut ours, mut theirs) = duplex(1 << 10);
        let flood = tokio::spawn(async move { while theirs.write_all(b"220-x\r\n").await.is_ok() {} });
        let (kind, reason) = request(&mut ours, &ClientId::default()).await.unwrap_err();
        assert_eq!((kind, reason.as_str()), (FailureKind::Transient, "the server does not speak SMTP"));
        drop(ours);
        flood.await.unwrap();
    }
}
