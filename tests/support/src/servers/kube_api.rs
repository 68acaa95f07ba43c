//! A stand-in for the API server and the kubelets behind it: lists pods and forwards their ports over a websocket.
//!
//! Protocol: kubernetes/kubernetes `pkg/kubelet/.../portforward/websocket.go` (`v4.channel.k8s.io`): binary messages, the
//! first byte a channel; of port number i (from 0) data are on channel 2i and an error on 2i+1; the first message on
//! each is the port, two bytes, little-endian.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::error::Error;
use crate::faults::wire::Head;
use crate::pki;

/// A pod of namespace `kube-system`.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its label `k8s-app`.
    pub app: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Its ports, and where on 127.0.0.1 each of them really is.
    pub ports: Vec<(u16, u16)>,
}

/// What the stand-in answers to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// All that is asked.
    Willing,
    /// 401: credentials are not accepted.
    Unauthorized,
    /// 403 to `pods/portforward`.
    NoPortForward,
    /// 403 to listing pods.
    NoList,
    /// Accepts connections and never answers.
    Silent,
}

/// A started stand-in, at `http://127.0.0.1:port`.
#[derive(Debug)]
pub struct KubeApi {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pods: Vec<Pod>,
    mood: Mutex<Mood>,
    root_ca: Mutex<Option<String>>,
    forwarded: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl KubeApi {
    /// Starts one that knows `pods`.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start(pods: Vec<Pod>) -> Result<Self, Error> {
        let unbound = |source| Error::Start {
            program: "a listener on 127.0.0.1".to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unbound)?;
        let port = listener.local_addr().map_err(unbound)?.port();
        let shared = Arc::new(Shared {
            pods,
            mood: Mutex::new(Mood::Willing),
            root_ca: Mutex::new(None),
            forwarded: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        let ours = shared.clone();
        // It ends with the process of the test.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = ours.clone();
                // A connection that breaks is the client's business.
                thread::spawn(move || drop(serve(&connection, &shared)));
            }
        });
        Ok(Self { port, shared })
    }

    /// How it answers from now on.
    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// What it tells pods to be the cluster's CA, in PEM; nothing at first.
    pub fn set_root_ca(&self, certificate: &str) {
        *self.shared.root_ca.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_owned());
    }

    /// How many port-forwards were begun.
    #[must_use]
    pub fn forwarded(&self) -> usize {
        self.shared.forwarded.load(Ordering::Relaxed)
    }

    /// All that was asked of it so far: `GET /api/v1/namespaces/kube-system/pods`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a kubeconfig for it, whose only context is `context`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn kubeconfig(&self, folder: &Path, context: &str) -> Result<PathBuf, Error> {
        let port = self.port;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
             clusters:\n- name: {context}\n  cluster:\n    server: http://127.0.0.1:{port}\n\
             users:\n- name: {context}\n  user:\n    token: t\n\
             contexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {context}\n"
        );
        pki::write(folder, "kubeconfig", &text)
    }
}

fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let head = Head::read(&mut reader)?;
        let path = head.first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let method = head.first.split(' ').next().unwrap_or_default();
        let request = format!("{method} {path}");
        shared
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        let mood = *shared.mood.lock().unwrap_or_else(PoisonError::into_inner);
        let forward = path
            .strip_prefix("/api/v1/namespaces/kube-system/pods/")
            .and_then(|rest| rest.strip_suffix("/portforward"));
        match (mood, forward) {
            (Mood::Silent, _) => thread::sleep(std::time::Duration::from_secs(3600)),
            (Mood::Unauthorized, _) => refuse(connection, 401, "Unauthorized")?,
            (Mood::NoPortForward, Some(_)) | (Mood::NoList, None) => refuse(connection, 403, "Forbidden")?,
            (_, Some(pod)) => {
                shared.forwarded.fetch_add(1, Ordering::Relaxed);
                return forward_port(connection, reader, &head, shared, pod, query);
            }
            (_, None) if path == "/api/v1/namespaces/kube-system/pods" => {
                answer(connection, "200 OK", &list(&shared.pods, query))?;
            }
            (_, None) if path == "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt" => {
                let certificate = shared.root_ca.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match certificate {
                    Some(certificate) => answer(connection, "200 OK", &root_ca(&certificate))?,
                    None => refuse(connection, 404, "NotFound")?,
                }
            }
            (_, None) => refuse(connection, 404, "NotFound")?,
        }
    }
}

fn refuse(connection: &TcpStream, code: u16, reason: &str) -> io::Result<()> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason} by the stand-in"), "reason": reason, "code": code,
    });
    answer(connection, &format!("{code} {reason}"), &status.to_string())
}

fn answer(mut connection: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn root_ca(certificate: &str) -> String {
    serde_json::json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "kube-root-ca.crt", "namespace": "kube-system" },
        "data": { "ca.crt": certificate },
    })
    .to_string()
}

fn list(pods: &[Pod], query: &str) -> String {
    let wanted = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="))
        .map(|selector| selector.replace("%3D", "=").replace("%2F", "/"))
        .unwrap_or_default();
    let fits = |pod: &&Pod| wanted.is_empty() || wanted == format!("k8s-app={}", pod.app);
    let items: Vec<serde_json::Value> = pods
        .iter()
        .filter(fits)
        .map(|pod| {
            let ready = if pod.ready { "True" } else { "False" };
            serde_json::json!({
                "metadata": { "name": pod.name, "namespace": "kube-system", "labels": { "k8s-app": pod.app } },
                "spec": { "nodeName": format!("node-of-{}", pod.name), "hostNetwork": true, "containers": [] },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] },
            })
        })
        .collect();
    serde_json::json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }).to_string()
}

fn forward_port(
    mut connection: &TcpStream,
    reader: BufReader<TcpStream>,
    head: &Head,
    shared: &Shared,
    pod: &str,
    query: &str,
) -> io::Result<()> {
    let key = head.get("sec-websocket-key").unwrap_or_default();
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    write!(
        connection,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
    )?;
    let port: u16 = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ports="))
        .and_then(|port| port.parse().ok())
        .unwrap_or_default();
    for channel in [0, 1] {
        send(connection, channel, &port.to_le_bytes())?;
    }
    let target = shared
        .pods
        .iter()
        .find(|known| known.name == pod)
        .and_then(|known| known.ports.iter().find(|(theirs, _)| *theirs == port))
        .map(|(_, real)| *real);
    let target = target
        .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))
        .and_then(|real| TcpStream::connect((Ipv4Addr::LOCALHOST, real)));
    let etcd = match target {
        Ok(etcd) => etcd,
        Err(error) => {
            let words = format!("error forwarding port {port} to pod {pod}: {error}");
            send(connection, 1, words.as_bytes())?;
            return wait_for_end(reader);
        }
    };
    let (to_client, mut from_etcd) = (connection.try_clone()?, etcd.try_clone()?);
    let back = thread::spawn(move || {
        let mut block = vec![0; 32 << 10];
        while let Ok(count) = from_etcd.read(&mut block) {
            let bytes = block.get(..count).unwrap_or_default();
            if bytes.is_empty() || send(&to_client, 0, bytes).is_err() {
                break;
            }
        }
        // An empty close message; where the client is gone already there is nobody to tell.
        drop((&to_client).write_all(&[0x88, 0]));
        drop(to_client.shutdown(Shutdown::Both));
    });
    let forth = pump(reader, &etcd);
    drop(etcd.shutdown(Shutdown::Both));
    drop(back.join());
    forth
}

/// Client's messages to etcd, until it closes.
fn pump(mut reader: BufReader<TcpStream>, mut etcd: &TcpStream) -> io::Result<()> {
    while let Some(message) = receive(&mut reader)? {
        if let Some((0, bytes)) = message.split_first() {
            etcd.write_all(bytes)?;
        }
    }
    Ok(())
}

fn wait_for_end(mut reader: BufReader<TcpStream>) -> io::Result<()> {
    while receive(&mut reader)?.is_some() {}
    Ok(())
}

/// One binary message to the client, on a channel; servers do not mask theirs.
fn send(mut connection: &TcpStream, channel: u8, bytes: &[u8]) -> io::Result<()> {
    let length = bytes.len() + 1;
    let mut frame = vec![0x82];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend(medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.push(channel);
    frame.extend(bytes);
    connection.write_all(&frame)
}

/// One message of the client, unmasked; `None` when it closes. Pings and pongs are skipped.
fn receive(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        let [first, second] = bytes(reader)?;
        let length = match second & 127 {
            126 => u64::from(u16::from_be_bytes(bytes(reader)?)),
            127 => u64::from_be_bytes(bytes(reader)?),
            short => u64::from(short),
        };
        let mask: [u8; 4] = bytes(reader)?;
        let mut payload = Vec::new();
        reader.take(length).read_to_end(&mut payload)?;
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        match first & 15 {
            8 => return Ok(None),
            0..=2 => message.extend(payload),
            _ => continue,
        }
        if first & 128 != 0 {
            return Ok(Some(message));
        }
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
