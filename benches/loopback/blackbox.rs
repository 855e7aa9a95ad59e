//! Measures the same probes by prometheus-blackbox-exporter, requested at the same rate over kept connections.
//!
//! Its module does the minimum: HTTP, IPv4, no keep-alive between probes. The CPU of these requests does not count; a
//! second run counts that of Prometheus, if installed, which schedules the exporter.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::child::Process;
use crate::server::Server;
use crate::{Folder, prometheus};

const PROGRAM: &str = "prometheus-blackbox-exporter";
const LISTEN: &str = "127.0.0.1:19115";
const DRIVERS: u32 = 4;
const A_SECOND: u32 = 1_000;
const SECONDS: u64 = 20;

/// Prints the exporter's CPU per probe beside `ours`, µs.
pub fn compare(ours: f64) {
    if Command::new(PROGRAM).arg("--version").output().is_err() {
        println!("blackbox: {PROGRAM} is not installed; skipped");
        return;
    }
    let server = Server::start(None, false);
    let folder = Folder::with("modules: { plain: { prober: http, http: { preferred_ip_protocol: ip4 } } }\n");
    let mut command = Command::new(PROGRAM);
    command.arg("--config.file").arg(folder.config()).arg(format!("--web.listen-address={LISTEN}"));
    let process = Process::start(command.arg("--log.level=error"));
    std::thread::sleep(Duration::from_secs(2));
    let target = format!("http://127.0.0.1:{}/", server.address.port());
    let drivers: Vec<_> = (0..DRIVERS)
        .map(|_| {
            let target = target.clone();
            std::thread::spawn(move || drive(&target))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    let (cpu, asked) = (process.cpu(), server.asked());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (cpu, asked) = (process.cpu().saturating_sub(cpu), server.asked() - asked);
    let theirs = cpu.as_secs_f64() * 1e6 / asked as f64;
    println!(
        "blackbox: {theirs:.1} µs of CPU per probe ({asked} probes in {SECONDS} s); webmon needs 1/{:.1} of that",
        theirs / ours
    );
    for driver in drivers {
        drop(driver.join());
    }
    if let Some(theirs) = prometheus::measure(&process, LISTEN) {
        println!("blackbox: webmon needs 1/{:.1} of both", theirs / ours);
    }
}

/// Requests one driver's share of the probes until the measurement ends.
fn drive(target: &str) -> std::io::Result<()> {
    let stream = TcpStream::connect(LISTEN)?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    let request = format!("GET /probe?module=plain&target={target} HTTP/1.1\r\nHost: {LISTEN}\r\n\r\n");
    let (begin, gap) = (Instant::now(), Duration::from_secs(1) * DRIVERS / A_SECOND);
    for turn in 0.. {
        let due = gap * turn;
        if due > Duration::from_secs(SECONDS + 4) {
            break;
        }
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        writer.write_all(request.as_bytes())?;
        read_answer(&mut reader)?;
    }
    Ok(())
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let (mut line, mut length, mut chunked) = (String::new(), 0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let lower = line.trim_end().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        length = lower.strip_prefix("content-length: ").and_then(|text| text.parse().ok()).unwrap_or(length);
        chunked |= lower == "transfer-encoding: chunked";
    }
    if !chunked {
        return reader.read_exact(&mut vec![0; length]);
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        length = usize::from_str_radix(line.trim_end(), 16).unwrap_or(0);
        reader.read_exact(&mut vec![0; length + 2])?;
        if length == 0 {
            return Ok(());
        }
    }
}
