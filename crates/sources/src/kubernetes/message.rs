//! The message of a list in protobuf, taken apart as it arrives.
//!
//! Around it is the envelope of every object. Kubernetes writes fields in the order of their numbers, so that the kind
//! comes before the list, and lists of all kinds have the same two fields.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use prost::Message;

use super::events::LONGEST;
use super::failure::Failure;
use crate::decode::protobuf::{MAGIC, NotAnObject, TypeMeta};

/// The longest number in protobuf: 64 bits, seven in each byte.
const LONGEST_VARINT: u32 = 10;

/// The envelope's fields: what it holds, and the list.
const TYPE_META: u64 = 1;
const RAW: u64 = 2;

/// No field has this number.
const NUMERIC: u64 = 0;

/// The fields of `ServiceList` and its like.
const METADATA: u64 = 1;
const ITEMS: u64 = 2;

/// A list that is still arriving.
pub(super) struct ListMessage {
    body: Body,
    /// Where the list ends in the body.
    end: u64,
}

/// `k8s.io.apimachinery.pkg.apis.meta.v1.ListMeta`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ListMeta {
    #[prost(string, tag = "2")]
    pub(super) resource_version: String,
    /// For the next page.
    #[prost(string, tag = "3")]
    pub(super) token: String,
}

/// Bytes as they arrive.
struct Body {
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    position: u64,
}

/// The beginning of a field.
#[derive(Clone, Copy, Debug)]
struct FieldStart {
    /// [`NUMERIC`] for what means nothing here: values that are numbers.
    number: u64,
    /// How many bytes follow.
    length: u64,
}

// === impl ListMessage ===

impl ListMessage {
    /// Reads up to the list, and gives its kind.
    pub(super) async fn open(
        body: impl AsyncBufRead + Send + 'static,
    ) -> Result<(String, ListMessage), Failure> {
        let mut body = Body { reader: Box::pin(body), position: 0 };
        let mut magic = [0; MAGIC.len()];
        body.fill(&mut magic).await?;
        if magic != *MAGIC {
            return Err(Failure::garbage(NotAnObject::Unmarked));
        }
        let mut kind = String::new();
        while !body.is_at_end().await? {
            match body.field().await? {
                FieldStart { number: TYPE_META, length } => {
                    kind = TypeMeta::decode(body.take(length).await?).map_err(Failure::garbage)?.kind;
                }
                FieldStart { number: RAW, length } => {
                    let end = body.position.saturating_add(length);
                    return Ok((kind, ListMessage { body, end }));
                }
                FieldStart { length, .. } => body.skip(length).await?,
            }
        }
        let end = body.position;
        Ok((kind, ListMessage { body, end }))
    }

    /// The next object; none at the end. Notes the metadata when it comes by.
    pub(super) async fn next(&mut self, metadata: &mut ListMeta) -> Result<Option<Bytes>, Failure> {
        while self.body.position < self.end {
            let FieldStart { number, length } = self.body.field().await?;
            if self.body.position.saturating_add(length) > self.end {
                return Err(Failure::Garbage("a list that is longer than it says".to_owned()));
            }
            match number {
                METADATA => {
                    let bytes = self.body.take(length).await?;
                    *metadata = ListMeta::decode(bytes).map_err(Failure::garbage)?;
                }
                ITEMS => return self.body.take(length).await.map(Some),
                _ => self.body.skip(length).await?,
            }
        }
        // What follows means nothing, but the connection can be used again only when all of it was read.
        while !self.body.is_at_end().await? {
            let FieldStart { length, .. } = self.body.field().await?;
            self.body.skip(length).await?;
        }
        Ok(None)
    }
}

// === impl Body ===

impl Body {
    async fn field(&mut self) -> Result<FieldStart, Failure> {
        let key = self.varint().await?;
        let (number, length) = match key & 7 {
            // A number that says itself where it ends.
            0 => {
                self.varint().await?;
                (NUMERIC, 0)
            }
            1 => (NUMERIC, 8),
            2 => (key >> 3, self.varint().await?),
            5 => (NUMERIC, 4),
            other => return Err(Failure::Garbage(format!("a field of type {other} in protobuf"))),
        };
        Ok(FieldStart { number, length })
    }

    async fn varint(&mut self) -> Result<u64, Failure> {
        let mut number = 0;
        for place in 0..LONGEST_VARINT {
            let mut byte = [0];
            self.fill(&mut byte).await?;
            number |= u64::from(byte[0] & 0x7f) << (7 * place);
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(Failure::Garbage("a number of more than ten bytes in protobuf".to_owned()))
    }

    async fn take(&mut self, length: u64) -> Result<Bytes, Failure> {
        let length = usize::try_from(length).ok().filter(|length| *length < LONGEST);
        let length = length.ok_or_else(|| Failure::Garbage("an object that is too long".to_owned()))?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes).await?;
        Ok(Bytes::from(bytes))
    }

    async fn skip(&mut self, length: u64) -> Result<(), Failure> {
        let sink = &mut futures::io::sink();
        let read = futures::io::copy_buf((&mut self.reader).take(length), sink);
        let read = read.await.map_err(Failure::from_broken_answer)?;
        self.advance(read);
        match read == length {
            true => Ok(()),
            false => Err(Failure::from_broken_answer(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Reads as many bytes as there is room for.
    async fn fill(&mut self, room: &mut [u8]) -> Result<(), Failure> {
        self.reader.read_exact(room).await.map_err(Failure::from_broken_answer)?;
        self.advance(u64::try_from(room.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn advance(&mut self, length: u64) {
        self.position = self.position.saturating_add(length);
    }

    async fn is_at_end(&mut self) -> Result<bool, Failure> {
        let buffered = self.reader.fill_buf().await.map_err(Failure::from_broken_answer)?;
        Ok(buffered.is_empty())
    }
}
