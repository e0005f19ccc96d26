//! A POST for each message, to a web server. Taken is what it answers with 2xx.
//!
//! With a secret, requests are signed as the convention *Standard Webhooks* says: headers `webhook-id`, `webhook-timestamp`
//! (seconds since 1970) and `webhook-signature: v1,` with the base64 of the HMAC-SHA256 over `id.timestamp.body`. The id is that
//! of the message, so that what comes again can be told.

use super::http::Client;
use super::{SendError, Sink};
use crate::payload::{self, Template};
use crate::settings::{Format, Webhook};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use ot_views::AlertMessage;
use sha2::Sha256;

pub(super) struct WebhookSink {
    settings: Webhook,
    format: Format,
    client: Client,
    key: Option<Vec<u8>>,
    authorization: Option<String>,
    template: Option<Template>,
}

/// What a webhook is made of beside its connection.
type Parts = (Option<Vec<u8>>, Option<String>, Option<Template>);

fn parts(settings: &Webhook) -> Result<Parts, String> {
    let key = settings.secret.as_ref().map(|secret| secret.read().and_then(|text| key_of(&text))).transpose()?;
    let authorization = settings.authorization.as_ref().map(crate::settings::Secret::read).transpose()?;
    let template = settings.template.as_deref().map(Template::load).transpose()?;
    Ok((key, authorization, template))
}

pub(super) fn check(settings: &Webhook) -> Result<(), String> {
    parts(settings)?;
    settings.tls.as_ref().map_or(Ok(()), |tls| super::stream::client(tls).map(drop))
}

/// The key that a secret stands for: `whsec_` before the base64 of its bytes, else the bytes of the text.
fn key_of(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix("whsec_") {
        Some(coded) => {
            STANDARD.decode(coded).map_err(|_| "what stands behind whsec_ in the secret is no base64".to_owned())
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// The signature of a request: `v1,` and the base64 of an HMAC-SHA256.
pub fn signature(key: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

impl WebhookSink {
    pub fn open(settings: &Webhook, format: Format) -> Result<Self, SendError> {
        let (key, authorization, template) = parts(settings).map_err(SendError::Broken)?;
        let client = Client::open(&settings.server, settings.tls.as_ref())?;
        Ok(Self { settings: settings.clone(), format, client, key, authorization, template })
    }
}

impl Sink for WebhookSink {
    fn answers(&self) -> bool {
        true
    }

    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        let body = match &self.template {
            Some(template) => template.fill(message, self.format),
            None => payload::render(self.format, message),
        };
        let seconds = jiff::Timestamp::now().as_second();
        let media = if self.template.is_some() { "application/json" } else { self.format.media_type() };
        let mut headers = vec![
            ("Content-Type", media.to_owned()),
            ("User-Agent", format!("ot-sensor/{}", payload::VERSION)),
            ("Accept", "*/*".to_owned()),
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
        ];
        if let Some(key) = &self.key {
            headers.push(("webhook-signature", signature(key, &message.id, seconds, &body)));
        }
        if let Some(value) = &self.authorization {
            headers.push(("Authorization", value.clone()));
        }
        let answer = self.client.post(&self.settings.path, &headers, &body)?;
        let server = &self.settings.server;
        let said = if answer.words.is_empty() { String::new() } else { format!(" ({})", answer.words) };
        match answer.status {
            200..=299 => Ok(()),
            300..=399 => Err(SendError::Broken(format!(
                "{server} answered {}: it is elsewhere; write the address that it redirects to",
                answer.status
            ))),
            401 | 403 => Err(SendError::Broken(format!(
                "{server} answered {}{said}: check authorization and secret",
                answer.status
            ))),
            404 | 405 | 408 | 410 | 425 | 429 | 500..=599 => {
                Err(SendError::Broken(format!("{server} answered {}{said}", answer.status)))
            }
            _ => Err(SendError::Refused(format!(
                "{server} answered {}{said}: it does not take this message; check format and template",
                answer.status
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_convention() {
        // The example of the convention's specification.
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(key_of("plain").unwrap(), b"plain");
        assert!(key_of("whsec_?").is_err());
    }
}
