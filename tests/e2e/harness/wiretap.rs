//! What a person's client and the API server say to each other, in clear: through `kubectl proxy`, and written down.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;

use super::{cluster::Cluster, person::Person};

/// Somebody whose every word is written down.
pub struct Wiretap {
    person: Person,
    said: Arc<Mutex<Vec<u8>>>,
    proxy: Child,
}

impl Wiretap {
    /// Listens to somebody of the company.
    pub fn of(name: &str, cluster: &Cluster) -> Self {
        let kubectl = cluster.control_plane().kubectl();
        let mut proxy = Command::new(kubectl)
            .args(["proxy", "--port=0", "--kubeconfig"])
            .arg(cluster.person(name).kubeconfig())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(proxy.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let server = format!("http://{}", relay(address, &said));
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{ "name": "here", "context": { "cluster": "here", "user": name } }],
            "clusters": [{ "name": "here", "cluster": { "server": server } }],
            "users": [{ "name": name, "user": {} }],
        });
        let file = cluster
            .control_plane()
            .dir()
            .join(format!("wiretap-{name}.kubeconfig"));
        std::fs::write(&file, kubeconfig.to_string()).unwrap();
        Self {
            person: Person::new(file, kubectl),
            said,
            proxy,
        }
    }

    /// Who is listened to.
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// What was said so far, in both directions.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Where to connect to, to be handed on to `address`.
fn relay(address: String, said: &Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (here, said) = (listener.local_addr().unwrap().to_string(), said.clone());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(&address)) else {
                continue;
            };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let said = said.clone();
                thread::spawn(move || copy(from, to, &said));
            }
        }
    });
    here
}

fn copy(mut from: TcpStream, mut to: TcpStream, said: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 8192];
    while let Ok(length) = from.read(&mut buffer) {
        let piece = &buffer[..length];
        said.lock().unwrap().extend_from_slice(piece);
        if length == 0 || to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
