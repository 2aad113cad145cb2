//! A static file server on this machine, as any static host would be: correct types, nothing else.

use anyhow::{Result, anyhow};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

/// A server that runs until it is dropped.
pub struct StaticServer {
    server: Arc<Server>,
    workers: Vec<std::thread::JoinHandle<()>>,
    address: SocketAddr,
    prefix: String,
}

impl StaticServer {
    /// Serves a folder on 127.0.0.1 under a path such as `/` or `/lab/`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(folder: &Path, port: u16, prefix: &str) -> Result<Self> {
        let server =
            Server::http(("127.0.0.1", port)).map_err(|error| anyhow!("port {port} can't be used: {error}"))?;
        let server = Arc::new(server);
        let address = server.server_addr().to_ip().ok_or_else(|| anyhow!("the server has no address"))?;
        // A browser opens six connections to a host.
        let workers = (0..6).map(|_| {
            let (server, folder, prefix) = (Arc::clone(&server), folder.to_path_buf(), prefix.to_string());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    // A browser that goes away in the middle of an answer is no error of ours.
                    answer(request, &folder, &prefix).ok();
                }
            })
        });
        Ok(Self { workers: workers.collect(), server, address, prefix: prefix.to_string() })
    }

    /// The address of the page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.prefix)
    }
}

impl Drop for StaticServer {
    fn drop(&mut self) {
        // Whichever worker wakes takes a call off the queue: all calls first, then wait for all.
        for _ in &self.workers {
            self.server.unblock();
        }
        for worker in self.workers.drain(..) {
            worker.join().ok();
        }
    }
}

/// Serves a folder until the program is ended, and opens the browser where there is one.
///
/// # Errors
/// When the port is taken.
pub fn run(folder: &Path, port: u16, open: bool) -> Result<()> {
    let server = StaticServer::start(folder, port, "/")?;
    println!("\nMerA Lab is at {}  (Ctrl-C ends it)", server.url());
    if open {
        open_browser(&server.url());
    }
    loop {
        std::thread::park();
    }
}

/// Opens the browser when the machine has a screen; says nothing otherwise, for the address has been printed.
fn open_browser(url: &str) {
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let command: &[&str] = match std::env::consts::OS {
        "macos" => &["open"],
        "windows" => &["cmd", "/C", "start", ""],
        _ if screen => &["xdg-open"],
        _ => return,
    };
    let quiet = (Stdio::null(), Stdio::null());
    Command::new(command[0]).args(&command[1..]).arg(url).stdout(quiet.0).stderr(quiet.1).spawn().ok();
}

fn answer(request: Request, folder: &Path, prefix: &str) -> std::io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::empty(StatusCode(405)));
    }
    let Some(path) = resolve(folder, prefix, request.url()) else {
        return request.respond(Response::from_string("not found").with_status_code(404));
    };
    let Ok(file) = File::open(&path) else {
        return request.respond(Response::from_string("not found").with_status_code(404));
    };
    let mut response = Response::from_file(file);
    // A rebuilt page must never run with yesterday's worker.
    for (name, value) in [("Content-Type", mime(&path)), ("Cache-Control", "no-cache")] {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    request.respond(response)
}

/// The file that a request asks for; `None` for what is outside the folder or the prefix.
fn resolve(folder: &Path, prefix: &str, url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?.strip_prefix(prefix)?;
    let mut file = folder.to_path_buf();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // Names in the page's folder are plain: whatever is escaped, hidden or climbs is not there.
        if part.starts_with('.') || part.contains(['\\', '%', ':']) {
            return None;
        }
        file.push(part);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    Some(file)
}

fn mime(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "tsv" | "csv" | "txt" | "md" => "text/plain; charset=utf-8",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn get(server: &StaticServer, path: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn serves_a_folder_and_nothing_beside_it() {
        let base = std::env::temp_dir().join(format!("xtask-serve-{}", std::process::id()));
        let folder = base.join("dist");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(folder.join("index.html"), "the page").unwrap();
        std::fs::write(folder.join("sub/worker.wasm"), "the worker").unwrap();
        std::fs::write(base.join("secret.txt"), "the secret").unwrap();
        let server = StaticServer::start(&folder, 0, "/lab/").unwrap();
        let page = get(&server, "/lab/?device=cpu");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html") && page.ends_with("the page"), "{page}");
        let wasm = get(&server, "/lab/sub/worker.wasm");
        assert!(wasm.contains("application/wasm") && wasm.ends_with("the worker"), "{wasm}");
        for path in ["/lab/../secret.txt", "/lab/%2e%2e/secret.txt", "/lab/none.js", "/", "/lab/sub"] {
            let answer = get(&server, path);
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
        drop(server);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
