//! What a request to EC2 or Auto Scaling asks for, and transitions that take their time: moto knows none.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Recorded;

/// A request's action: `DescribeVolumes`. `None` for what is no request of AWS' query protocols.
#[must_use]
pub fn action(request: &Recorded) -> Option<&str> {
    request.body.strip_prefix("Action=")?.split('&').next()
}

impl Recorded {
    /// Its action, where it is a request to EC2, Auto Scaling, STS or IAM.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        action(self)
    }

    /// Whether it changes something, in S3 or elsewhere.
    #[must_use]
    pub fn is_change(&self) -> bool {
        match self.action() {
            Some(action) => !["Describe", "Get", "List"]
                .iter()
                .any(|reading| action.starts_with(reading)),
            None => matches!(self.method.as_str(), "PUT" | "POST" | "DELETE"),
        }
    }

    /// Its parameters, decoded.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        self.body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect()
    }

    /// The things that it names: groups, instances, volumes, whatever it does to them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        const NAMING: [&str; 4] = ["AutoScalingGroupName", "InstanceId", "VolumeId", "ResourceId"];
        self.parameters()
            .into_iter()
            .filter(|(name, _)| NAMING.iter().any(|naming| name.starts_with(naming)))
            .map(|(_, value)| value)
            .collect()
    }
}

fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|_| *first == b'%')
        {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An error as the service of this request writes it.
pub(super) fn error_body(request: &Recorded, code: &str) -> Option<String> {
    const MESSAGE: &str = "injected by the test";
    request.action()?;
    Some(if request.body.contains("Version=2016-11-15") {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{MESSAGE}</Message>\
             </Error></Errors><RequestID>0</RequestID></Response>"
        )
    } else {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{MESSAGE}</Message></Error>\
             <RequestId>0</RequestId></ErrorResponse>"
        )
    })
}

/// The answer to a change that AWS has accepted and not carried out yet.
pub(super) fn accepted(request: &Recorded) -> Option<String> {
    let action = request.action()?;
    Some(if request.body.contains("Version=2016-11-15") {
        format!("<{action}Response><requestId>0</requestId><return>true</return></{action}Response>")
    } else {
        format!("<{action}Response><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{action}Response>")
    })
}

/// A change that AWS has accepted, and when it is carried out.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) head: super::wire::Head,
    pub(super) body: Vec<u8>,
    pub(super) request: Recorded,
    pub(super) due: Due,
}

/// When it is carried out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// With the last of so many requests.
    After(usize),
    /// With the first request from then on.
    At(Instant),
}

impl Due {
    /// Whether the request that has just come is the one.
    pub(super) fn is_now(&mut self) -> bool {
        match self {
            Self::After(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            Self::At(time) => Instant::now() >= *time,
        }
    }
}

/// Shows in an answer what AWS shows while something takes its time.
pub(super) fn meanwhile(answer: &str, pending: &[Pending]) -> String {
    let mut answer = answer.to_owned();
    for pending in pending {
        for name in pending.request.names() {
            match pending.request.action() {
                Some("DeleteAutoScalingGroup") => {
                    let named = format!("<AutoScalingGroupName>{name}</AutoScalingGroupName>");
                    let status = format!("{named}<Status>Delete in progress</Status>");
                    answer = answer.replace(&named, &status);
                }
                Some("DeleteVolume") => {
                    answer = restate(
                        &answer,
                        &format!("<volumeId>{name}</volumeId>"),
                        "<status>available</status>",
                        "<status>deleting</status>",
                    );
                }
                Some("TerminateInstances") => {
                    answer = restate(
                        &answer,
                        &format!("<instanceId>{name}</instanceId>"),
                        "<name>running</name>",
                        "<name>shutting-down</name>",
                    );
                }
                _ => {}
            }
        }
    }
    answer
}

/// Shows a free volume as one that is stuck on its way off an instance.
pub(super) fn still_detaching(answer: &str, volume: &str, instance: &str) -> String {
    let mark = format!("<volumeId>{volume}</volumeId>");
    let Some((before, after)) = answer.split_once(&mark) else {
        return answer.to_owned();
    };
    let attachment = format!(
        "<attachmentSet><item><volumeId>{volume}</volumeId><instanceId>{instance}</instanceId><device>/dev/xvdu</device>\
         <status>detaching</status></item>"
    );
    let (volume, others) = after.split_once("<volumeId>").unwrap_or((after, ""));
    let volume = volume.replacen("<status>available</status>", "<status>in-use</status>", 1);
    let volume = volume.replacen("<attachmentSet/>", "<attachmentSet></attachmentSet>", 1);
    let volume = volume.replacen("<attachmentSet>", &attachment, 1);
    let rest = match others.is_empty() {
        true => String::new(),
        false => format!("<volumeId>{others}"),
    };
    format!("{before}{mark}{volume}{rest}")
}

/// Replaces the first `from` after each `mark`.
fn restate(answer: &str, mark: &str, from: &str, to: &str) -> String {
    match answer.split_once(mark) {
        Some((before, after)) => format!("{before}{mark}{}", after.replacen(from, to, 1)),
        None => answer.to_owned(),
    }
}
