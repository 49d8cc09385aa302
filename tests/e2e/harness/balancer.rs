//! One address for several operators: each connection goes to the next one that takes it.

use std::{net::TcpListener as StdListener, thread};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

/// Listens, for as long as this process lives, and tells at which port.
pub fn balance(ports: Vec<u16>) -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            for first in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let mut order = ports.clone();
                order.rotate_left(first % ports.len());
                tokio::spawn(hand_on(stream, order));
            }
        });
    });
    port
}

/// Where nobody listens the connection ends.
async fn hand_on(mut stream: TcpStream, ports: Vec<u16>) {
    for port in ports {
        if let Ok(mut operator) = TcpStream::connect(("127.0.0.1", port)).await {
            // Either may end at any time.
            let _ = copy_bidirectional(&mut stream, &mut operator).await;
            return;
        }
    }
}
