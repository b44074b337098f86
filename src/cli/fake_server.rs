//! A server for tests of commands: real sockets, scripted answers, every request remembered.

use super::client::Address;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: String,
    headers: HashMap<String, String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Reply {
    pub fn json(status: u16, body: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }
}

pub struct FakeServer {
    address: Address,
    requests: Arc<Mutex<Vec<Asked>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeServer {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> FakeServer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let seen = requests.clone();
        let answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serving = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let (seen, answer) = (seen.clone(), answer.clone());
                        let service = service_fn(move |request| {
                            let (seen, answer) = (seen.clone(), answer.clone());
                            async move { Ok::<_, Infallible>(respond(request, &seen, answer.as_ref()).await) }
                        });
                        tokio::spawn(async move {
                            let http = hyper::server::conn::http1::Builder::new();
                            // A client that goes away is no failure of the test.
                            let _ = http.serve_connection(TokioIo::new(stream), service).await;
                        });
                    }
                };
                tokio::select! { () = serving => {}, _ = stopped => {} }
            });
        });
        FakeServer { address, requests, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> Address {
        self.address.clone()
    }

    pub fn requests(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }

    /// Closes the port and tells which it was.
    pub fn stop(mut self) -> Address {
        self.close();
        self.address.clone()
    }

    fn close(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.close();
    }
}

async fn respond(
    request: hyper::Request<hyper::body::Incoming>,
    seen: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Reply + Send + Sync),
) -> hyper::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        headers: head.headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned())).collect(),
    };
    let reply = answer(&asked);
    seen.lock().unwrap().push(asked);
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(reply.body))).unwrap()
}
