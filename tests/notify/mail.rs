//! E-mail: what is sent to a scripted SMTP server, what each answer comes to, and that TLS is never skipped.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use webmon::alert::{News, NewsKind};
use webmon::model::Secret;
use webmon::notify::{FailureKind, NotifyError, Outlet, OutletTls, SendFailure, Sender, Service, Smtp, SmtpSecurity};

use crate::fixtures::{Case, MARK, NOW, envelope, nasty, news, outlet};
use crate::smtp::{Post, PostOffice};
use crate::support::ports;
use crate::support::tls::{Authority, Leaf};

fn service(port: u16, security: SmtpSecurity) -> Service {
    let login = Some(("ada".to_owned(), Secret::new(format!("{MARK}-password"))));
    let login = login.filter(|_| security != SmtpSecurity::Plain);
    Service::Email {
        to: "ada@example.com".to_owned(),
        from: "webmon <webmon@example.org>".to_owned(),
        smtp: Smtp { host: "127.0.0.1".to_owned(), port, security, login },
    }
}

fn mailer(office: &PostOffice, security: SmtpSecurity, tls: OutletTls) -> Sender {
    let outlet = Outlet { tls, ..outlet(service(office.address.port(), security)) };
    Sender::new(Arc::new(outlet), TimeZone::UTC).unwrap()
}

fn plain(office: &PostOffice) -> Sender {
    mailer(office, SmtpSecurity::Plain, OutletTls::default())
}

async fn fail(sender: &mut Sender) -> SendFailure {
    let failure = sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap_err();
    assert!(!format!("{failure:?} {sender:?}").contains(MARK), "{failure:?}");
    failure
}

#[tokio::test]
async fn a_letter_is_plain_text_with_the_headers_that_thread_it() {
    let office = PostOffice::open(Post::default());
    let mut sender = plain(&office);
    let delivered = sender.send(&envelope(vec![news(Case::Down, "ü")]), NOW).await.unwrap();
    assert_eq!(delivered.status, "250 queued as 1");
    let mut later = envelope(vec![news(Case::Up, "ü")]);
    later.row = 413;
    sender.send(&later, NOW).await.unwrap();

    let heard = office.heard();
    let letters: Vec<&str> = heard.split("\nDATA\n").skip(1).collect();
    for line in [
        "From: webmon <webmon@example.org>",
        "To: ada@example.com",
        "Date: Sun, 22 Nov 2026 09:00:00 +0000",
        "Message-ID: <webmon-7f3ac19d2b0e4c55-incident-17@example.org>",
        "Auto-Submitted: auto-generated",
        "X-Webmon-Incident: 17",
        "Content-Type: text/plain; charset=utf-8",
    ] {
        assert!(letters[0].lines().any(|heard| heard == line), "{line}\n{}", letters[0]);
    }
    assert!(heard.contains("MAIL FROM:<webmon@example.org>") && heard.contains("RCPT TO:<ada@example.com>"), "{heard}");
    assert!(!letters[0].contains("In-Reply-To"));
    for line in [
        "Message-ID: <webmon-7f3ac19d2b0e4c55-413@example.org>",
        "In-Reply-To: <webmon-7f3ac19d2b0e4c55-incident-17@example.org>",
        "References: <webmon-7f3ac19d2b0e4c55-incident-17@example.org>",
    ] {
        assert!(letters[1].lines().any(|heard| heard == line), "{line}\n{}", letters[1]);
    }
    assert!(heard.is_ascii(), "{heard}");
}

/// Each letter has a connection of its own, which ends with a goodbye: none is kept that a server could close unseen.
#[tokio::test]
async fn a_connection_ends_with_its_letter() {
    let office = PostOffice::open(Post::default());
    let mut sender = plain(&office);
    for letters in 1..=2 {
        sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
        let heard = office.heard();
        let count = |command: &str| heard.lines().filter(|line| line.starts_with(command)).count();
        assert_eq!((count("EHLO"), count("QUIT")), (letters, letters), "{heard}");
        while office.open_connections() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_subject_is_short_and_no_name_adds_a_header_or_ends_the_text() {
    let office = PostOffice::open(Post::default());
    let mut sender = plain(&office);
    sender.send(&envelope(vec![news(Case::Down, "")]), NOW).await.unwrap();
    assert!(office.heard().contains("\nSubject: Website api is down\n"), "{}", office.heard());
    for nasty in nasty() {
        let trick = format!("{nasty}\r\nBcc: eve@example.com\r\n\r\n.\r\nQUIT\r\n");
        sender.send(&envelope(vec![news(Case::Down, &trick)]), NOW).await.unwrap();
    }
    let heard = office.heard();
    assert!(!heard.lines().any(|line| line.starts_with("Bcc")), "{heard}");
    assert_eq!(heard.lines().filter(|line| *line == ".").count(), 5);
    assert!(heard.lines().all(|line| line.len() < 998), "RFC 5322 allows no longer line");
}

#[tokio::test]
async fn a_group_refers_to_all_of_its_incidents_and_an_acknowledgement_is_told() {
    let office = PostOffice::open(Post::default());
    let mut other = news(Case::Down, "2");
    other.alert.facts.incident = Some(18);
    let mut sender = plain(&office);
    sender.send(&envelope(vec![news(Case::Down, ""), other]), NOW).await.unwrap();
    let mut acknowledged = News { kind: NewsKind::Acknowledged, ..news(Case::Down, "") };
    (acknowledged.context.by, acknowledged.context.text) = (Some("ada".to_owned()), Some("looking".to_owned()));
    sender.send(&envelope(vec![acknowledged]), NOW).await.unwrap();
    let heard = office.heard().replace("=\n", "").replace("\n ", " ");
    assert!(heard.contains("incident-17@example.org> <webmon-7f3ac19d2b0e4c55-incident-18@example.org>"), "{heard}");
    assert!(heard.contains("Subject: 2 sites are down"), "{heard}");
    assert!(heard.contains("acknowledged by ada: looking"), "{heard}");
}

#[tokio::test]
async fn each_answer_has_its_kind() {
    use FailureKind::{Broken, Transient};
    let base = Post::default;
    for (post, kind, part) in [
        (Post { recipient: Some("550 5.1.1 no such user"), ..base() }, Broken, "550 5.1.1 no such user"),
        (Post { recipient: Some("451 try later"), ..base() }, Transient, "451 try later"),
        (Post { end: Some("452 disk full"), ..base() }, Transient, "452 disk full"),
        (Post { end: Some("554 spam\u{1b}[2J"), ..base() }, Broken, "554 spam\u{fffd}[2J"),
        (Post { greeting: Some("421 busy"), ..base() }, Transient, "421 busy"),
        (Post { greeting: Some("554 no mail here"), ..base() }, Broken, "554 no mail here"),
        (Post { greeting: Some("HTTP/1.1 400 Bad Request"), ..base() }, Transient, "does not speak SMTP"),
        (Post { requires_tls: true, ..base() }, Broken, "530 5.7.0 Must issue a STARTTLS"),
    ] {
        let has_text = post.end.is_some();
        let office = PostOffice::open(post);
        let failure = fail(&mut plain(&office)).await;
        assert!(failure.kind == kind && failure.reason.contains(part), "{part}: {failure:?}");
        assert_eq!(failure.is_unsent, !has_text, "{failure:?}");
    }
    let nobody = ports::closed_port();
    let outlet = outlet(service(nobody.port(), SmtpSecurity::Plain));
    let failure = fail(&mut Sender::new(Arc::new(outlet), TimeZone::UTC).unwrap()).await;
    assert!(failure.kind == Transient && failure.reason.contains("cannot connect"), "{failure:?}");
    assert!(failure.is_unsent, "{failure:?}");
}

#[tokio::test]
async fn tls_is_verified_and_never_skipped() {
    let authority = Authority::new();
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let itself = Leaf::naming(&["127.0.0.1"]).self_signed();
    let trusting = OutletTls { roots: Arc::new(vec![authority.root()]), ..OutletTls::default() };
    let pinning = OutletTls { roots: Arc::new(itself.to_client().0), ..OutletTls::default() };
    let granted = Some("235 welcome");
    for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
        let with = |identity: &_| match security {
            SmtpSecurity::Tls => Post { implicit: Some(Clone::clone(identity)), auth: granted, ..Post::default() },
            _ => Post { starttls: Some(Clone::clone(identity)), requires_tls: true, auth: granted, ..Post::default() },
        };
        let office = PostOffice::open(with(&identity));
        let failure = fail(&mut mailer(&office, security, OutletTls::default())).await;
        assert!(failure.kind == FailureKind::Broken && failure.reason.contains("certificate"), "{failure:?}");
        assert!(!office.heard().contains("AUTH"), "{}", office.heard());

        let told = envelope(vec![news(Case::Down, "")]);
        mailer(&office, security, trusting.clone()).send(&told, NOW).await.unwrap();
        let insecure = OutletTls { insecure: true, ..OutletTls::default() };
        mailer(&office, security, insecure).send(&told, NOW).await.unwrap();
        assert_eq!(office.heard().matches("\nAUTH PLAIN ").count(), 2, "{}", office.heard());

        let office = PostOffice::open(with(&itself));
        mailer(&office, security, pinning.clone()).send(&told, NOW).await.unwrap();
    }
    // A server, or somebody on the way, that offers no STARTTLS gets neither password nor message.
    let stripped = PostOffice::open(Post { auth: granted, ..Post::default() });
    let failure = fail(&mut mailer(&stripped, SmtpSecurity::StartTls, trusting)).await;
    assert!(failure.kind == FailureKind::Broken && failure.reason.contains("does not offer STARTTLS"), "{failure:?}");
    assert!(!stripped.heard().contains("AUTH") && !stripped.heard().contains("MAIL"), "{}", stripped.heard());
}

#[tokio::test]
async fn a_wrong_password_breaks_the_outlet_and_is_shown_nowhere() {
    let authority = Authority::new();
    let identity = authority.issue(&Leaf::naming(&["127.0.0.1"]));
    let tls = OutletTls { roots: Arc::new(vec![authority.root()]), ..OutletTls::default() };
    // Base64 of "\0ada\0c4n4ry-password" and of "c4n4ry-password", as a server may echo them.
    let echo = "535 5.7.8 AGFkYQBjNG40cnktcGFzc3dvcmQ= YzRuNHJ5LXBhc3N3b3Jk c4n4ry-password";
    let office = PostOffice::open(Post { implicit: Some(identity), auth: Some(echo), ..Post::default() });
    let failure = fail(&mut mailer(&office, SmtpSecurity::Tls, tls.clone())).await;
    assert_eq!((failure.kind, failure.reason.as_str()), (FailureKind::Broken, "535 5.7.8 *** *** ***"));
    let preview = mailer(&office, SmtpSecurity::Tls, tls).preview(&envelope(vec![news(Case::Down, "")]), NOW);
    assert_eq!(preview.url, format!("smtps://{} to ada@example.com", office.address));
    assert!(!format!("{preview:?}").contains(MARK) && preview.body.to_string().contains("503 Service Unavailable"));
}

#[tokio::test]
async fn a_server_that_stalls_after_the_text_is_given_half_a_minute() {
    let office = PostOffice::open(Post { end: Some(""), ..Post::default() });
    let mut sender = plain(&office);
    let sent = tokio::spawn(async move { fail(&mut sender).await });
    while !office.heard().ends_with("\n.") {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    let failure = sent.await.unwrap();
    assert_eq!((failure.kind, failure.reason.as_str()), (FailureKind::Transient, "no answer within 30 s"));
    assert!(!failure.is_unsent, "the server may have it");
}

#[test]
fn what_is_no_address_is_refused_at_the_start() {
    let Service::Email { from, smtp, .. } = service(25, SmtpSecurity::Plain) else { unreachable!() };
    let wrong = Service::Email { to: "nobody".to_owned(), from, smtp };
    let refused = Sender::new(Arc::new(outlet(wrong)), TimeZone::UTC).err();
    assert_eq!(refused, Some(NotifyError::Address("nobody".to_owned())));
}
