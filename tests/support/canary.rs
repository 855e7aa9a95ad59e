//! A configuration full of recognizable secrets: each contains [`MARK`], and no output may show one.

use super::program::Folder;
use super::{Behaviour, Server, Step, ports, redirect, response};

/// Occurs in every secret and nowhere else.
pub const MARK: &str = "c4n4ry";

/// A server that answers, refuses, redirects (also in circles) and echoes the request.
pub fn server() -> Server {
    Server::start(Behaviour::answering(|request| {
        let path = request.target.split('?').next().unwrap_or_default();
        match path.rsplit('/').next().unwrap_or_default() {
            "broken" => vec![Step::send(response(503, "out of order"))],
            // The whole request, in the reason phrase and in the Location.
            "echo" => {
                let said: Vec<String> = request.headers.iter().map(|(_, value)| value.clone()).collect();
                let said = format!("{} {}", said.join(" "), request.target);
                vec![Step::send(format!("HTTP/1.1 503 no: {said}\r\nContent-Length: 0\r\n\r\n"))]
            }
            // A form whose token comes back with whatever else was sent, in the headers and in the body.
            "form" => {
                let body = format!("csrf={MARK}/csrf+1;");
                let length = body.len();
                vec![Step::send(format!(
                    "HTTP/1.1 200 OK\r\nX-Trace: {MARK}-trace\r\nContent-Length: {length}\r\n\r\n{body}"
                ))]
            }
            // A token where nobody looks for it.
            "page" => vec![Step::send(response(200, &format!("csrf={MARK}-csrf;")))],
            "repeat" => {
                let said: Vec<String> = request.headers.iter().map(|(_, value)| value.clone()).collect();
                let said = format!("{} {}", said.join(" "), request.target);
                let body = format!("{said}\n{}", String::from_utf8_lossy(&request.body));
                let length = body.len();
                vec![Step::send(format!("HTTP/1.1 503 no\r\nX-Echo: {said}\r\nContent-Length: {length}\r\n\r\n{body}"))]
            }
            "lead" => vec![Step::send(redirect(302, &format!("/{MARK}-bearer/{MARK}-query")))],
            "onward" => vec![Step::send(redirect(302, &format!("/{MARK}-env/elsewhere?token={MARK}")))],
            "circle" => vec![Step::send(redirect(302, &request.target))],
            _ => vec![Step::send(response(200, "ok"))],
        }
    }))
}

/// A folder whose sites.yaml holds a secret in every possible place. `alerting.exec` writes its input into the file `told`.
pub fn folder(server: &Server) -> Folder {
    let folder = Folder::empty();
    folder.write("secret", &format!("{MARK}-file\n"));
    let with_userinfo = |path: &str| server.url(path).replace("http://", &format!("http://ada:{MARK}-password@"));
    let closed = ports::closed_port();
    let variable = format!("${{CANARY:-{MARK}-env}}");
    folder.write(
        "sites.yaml",
        &format!(
            "defaults:
  interval: 300ms
  timeout: 300ms
  headers:
    X-Everywhere: {MARK}-default-header
sites:
  - {{ name: userinfo, url: '{userinfo}?key={MARK}-query', method: POST, body: {MARK}-body }}
  - name: headers
    url: {broken}
    headers:
      Authorization: Bearer {MARK}-bearer
      Cookie: session={MARK}-cookie
      X-Own: '{variable}'
  - '{broken}?token={MARK}-short-form'
  - {{ name: echo, url: '{echo}?key={MARK}-query', headers: {{ Authorization: Bearer {MARK}-bearer, X-Own: '{variable}' }} }}
  - {{ name: lead, url: '{lead}?key={MARK}-query', headers: {{ Authorization: Bearer {MARK}-bearer }}, max_redirects: 1 }}
  - {{ name: onward, url: '{root}{variable}/onward' }}
  - {{ name: circle, url: '{root}{variable}/circle' }}
  - {{ name: part, url: '{root}', expect: {{ body_contains: '${{file:secret}}' }} }}
  - {{ name: pattern, url: '{root}', expect: {{ body_regex: '{variable}$' }} }}
  - {{ name: refused, url: 'http://ada:{MARK}-password@{closed}/{variable}?q={MARK}-query' }}
  - {{ name: nowhere, url: 'http://{variable}.invalid/' }}
  - name: journey
    headers: {{ X-Inherited: {MARK}-inherited }}
    steps:
      - name: form
        url: {root}form
        take:
          csrf: {{ body_regex: 'csrf=([^;]+)' }}
          trace: {{ header: X-Trace }}
      - name: repeat
        url: {userinfo}{{csrf}}/repeat?trace={{trace}}&key={MARK}-query
        headers: {{ X-Trace: 'Trace {{trace}}', X-Own: '{variable}' }}
        form:
          user: ada
          password: '{MARK}-form {{csrf}}'
          pin: {MARK}-pin
          csrf: '{{csrf}}'
          again: '{variable}'
  - {{ name: untaken, steps: [{{ url: {root}page, take: {{ csrf: {{ body_regex: 'token=(.*)' }} }} }}, {{ url: '{root}{{csrf}}' }}] }}
dns: {{ resolver: ['{closed}'] }}
export: {{ influx: {{ url: 'http://{closed}', api: v1, database: d, username: ada, password: {MARK}-password }} }}
alerting:
  window: 1s
  exec: [/bin/sh, -c, 'cat >> told; echo \"$WEBMON_MESSAGE\" >> told; : {variable}']
dashboard: {{ views: [{{ timeframe: 1m, refresh: 1s }}] }}
",
            userinfo = with_userinfo("/"),
            broken = server.url("/broken"),
            root = server.url("/"),
            echo = server.url("/echo"),
            lead = server.url("/lead"),
        ),
    );
    folder
}
