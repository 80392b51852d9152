//! Generic netlink: the controller, which knows the number of each family.

use crate::{
    attribute::{Attributes, Encoder, Malformed},
    connection::{Connection, Question},
    errno::Errno,
    error::Error,
    message::Message,
};

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_VERSION: u8 = 1;

/// `GENL_HDRLEN`.
const HEADER: usize = 4;

/// Writes a `struct genlmsghdr`.
pub(crate) fn header(encoder: &mut Encoder<'_>, command: u8, version: u8) {
    encoder.raw(&[command, version, 0, 0]);
}

/// The attributes after a `struct genlmsghdr`.
pub(crate) fn attributes<'a>(message: &Message<'a>) -> Result<Attributes<'a>, Malformed> {
    let rest = message.payload.get(HEADER..).ok_or(Malformed("a generic netlink header is cut off"))?;
    Ok(Attributes::new(rest))
}

/// Asks for the message type of a family; the kernel loads the family's module if it can.
pub(crate) fn resolve(connection: &mut Connection, name: &'static str) -> Result<u16, Error> {
    let question = Question {
        what: "resolving a generic netlink family",
        kind: GENL_ID_CTRL,
        flags: 0,
        body: &|encoder| {
            header(encoder, CTRL_CMD_GETFAMILY, CTRL_VERSION);
            encoder.put_string(CTRL_ATTR_FAMILY_NAME, name);
        },
    };
    match connection.ask(&question, parse_family) {
        Err(Error::Kernel { errno: Errno::ENOENT, .. }) => Err(Error::FamilyMissing { name }),
        answer => answer,
    }
}

fn parse_family(message: &Message<'_>) -> Result<u16, Malformed> {
    for attribute in attributes(message)? {
        let attribute = attribute?;
        if attribute.kind == CTRL_ATTR_FAMILY_ID {
            return attribute.u16();
        }
    }
    Err(Malformed("the family has no number"))
}
