//! A server on this machine that answers as the Hugging Face hub does: what is in a repository, and its files, which
//! lie behind a redirect to another server. It can be told to answer wrongly, as networks do.

use anyhow::{Result, anyhow};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tiny_http::{Header, Request, Response, Server, StatusCode};

/// The commit that every branch stands for.
const COMMIT: &str = "8b3219a92973c328a8e22fadcfa821b5dc75636a";

/// A file of a repository, and how it is sent.
#[derive(Clone, Debug)]
pub enum File {
    /// As it is.
    Whole(Vec<u8>),
    /// All its bytes are announced, half of them are sent.
    BrokenOff(Vec<u8>),
    /// Half its bytes are announced and sent.
    Short(Vec<u8>),
    /// All its bytes are announced, half of them are sent, and then nothing more, the connection staying open.
    Stalled(Vec<u8>),
}

/// Repositories by id, each with its files by path.
pub type Repositories = BTreeMap<String, BTreeMap<String, File>>;

/// Runs until it is dropped.
pub struct Hub {
    server: Arc<Server>,
    files: SocketAddr,
    over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
    url: String,
}

impl Hub {
    /// Starts the hub, and the server that its files lie on.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(repositories: Repositories) -> Result<Self> {
        let repositories = Arc::new(repositories);
        let server = listen()?;
        let url = address(&server)?;
        // A connection that breaks off must be closed, which only who holds the socket can do.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let files = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        // A browser opens six connections to a host.
        for _ in 0..6 {
            let (server, known, elsewhere) = (server.clone(), repositories.clone(), format!("http://{files}"));
            threads.push(std::thread::spawn(move || serve(&server, |request| answer(request, &known, &elsewhere))));
        }
        let ended = over.clone();
        threads.push(std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !ended.load(Ordering::SeqCst)) {
                let known = repositories.clone();
                // A page that goes away in the middle of an answer is no error of ours.
                std::thread::spawn(move || send(stream, &known).ok());
            }
        }));
        Ok(Self { server, files, over, threads, url })
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes whoever waits for the next connection.
        TcpStream::connect(self.files).ok();
        for _ in &self.threads {
            self.server.unblock();
        }
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

fn listen() -> Result<Arc<Server>> {
    Server::http("127.0.0.1:0").map(Arc::new).map_err(|error| anyhow!("no port is free: {error}"))
}

fn address(server: &Server) -> Result<String> {
    let address = server.server_addr().to_ip().ok_or_else(|| anyhow!("the server has no address"))?;
    Ok(format!("http://{address}"))
}

/// A page that goes away in the middle of an answer is no error of ours.
fn serve(server: &Server, answer: impl Fn(Request) -> std::io::Result<()>) {
    while let Ok(request) = server.recv() {
        answer(request).ok();
    }
}

/// What is in a repository, or where a file of it is.
fn answer(request: Request, repositories: &Repositories, elsewhere: &str) -> std::io::Result<()> {
    let path = request.url().to_owned();
    if let Some(path) = path.strip_prefix("/api/models/") {
        let Some((id, revision)) = path.split_once("/revision/") else { return status(request, 404) };
        let Some(files) = repositories.get(id) else {
            // The hub does not tell a private repository from none.
            return status(request, 401);
        };
        if revision != "main" && revision != COMMIT {
            return status(request, 404);
        }
        let siblings: Vec<_> = files.keys().map(|name| json!({ "rfilename": name })).collect();
        let text = json!({ "id": id, "sha": COMMIT, "siblings": siblings }).to_string();
        return request.respond(open_to_all(Response::from_string(text)));
    }
    if path.contains("/resolve/") {
        let there = Header::from_bytes("Location", format!("{elsewhere}{path}"));
        let mut response = Response::empty(StatusCode(302));
        there.into_iter().for_each(|header| response.add_header(header));
        return request.respond(open_to_all(response));
    }
    status(request, 404)
}

/// A file, well or badly; one a connection.
fn send(stream: TcpStream, repositories: &Repositories) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // What stands unread when a connection is closed resets it.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let file = path.split_once(&format!("/resolve/{COMMIT}/"));
    let file = file.and_then(|(id, name)| repositories.get(id)?.get(name));
    let (status, announced, bytes): (_, _, &[u8]) = match file {
        None => ("404 Not Found", 0, &[]),
        Some(File::Whole(bytes)) => ("200 OK", bytes.len(), bytes),
        Some(File::Short(bytes)) => ("200 OK", bytes.len() / 2, &bytes[..bytes.len() / 2]),
        Some(File::BrokenOff(bytes) | File::Stalled(bytes)) => ("200 OK", bytes.len(), &bytes[..bytes.len() / 2]),
    };
    let head = format!("HTTP/1.1 {status}\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n");
    let mut stream = stream;
    write!(stream, "{head}Content-Length: {announced}\r\n\r\n")?;
    stream.write_all(bytes)?;
    if matches!(file, Some(File::Stalled(_))) {
        // Until the page hangs up.
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn status(request: Request, status: u16) -> std::io::Result<()> {
    request.respond(open_to_all(Response::new(StatusCode(status), vec![], Cursor::new(vec![]), Some(0), None)))
}

/// A page of any origin may read it, as with the hub's own answers.
fn open_to_all<R: std::io::Read>(mut response: Response<R>) -> Response<R> {
    Header::from_bytes("Access-Control-Allow-Origin", "*").into_iter().for_each(|header| response.add_header(header));
    response
}
