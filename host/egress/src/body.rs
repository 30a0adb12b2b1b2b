//! Bodies of answers: counted as they come, decoded as they come, and given up as soon as they are too large.
//!
//! Pure: pieces go in, bytes come out. Decoding here, and not in the HTTP library, is what stops a decompression bomb after
//! [`Limits::decoded`](crate::Limits::decoded) bytes instead of after it has gone off.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, HeaderMap};

/// Why a body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It passes a limit, on the wire or decoded.
    TooLarge,
    /// It is encoded in a way that was not asked for.
    UnknownEncoding(String),
    /// It is not what its encoding says, or ends too early.
    Corrupt,
}

/// A body on its way in.
pub(crate) struct Body {
    decoder: Decoder,
    wire_left: usize,
    is_empty: bool,
}

enum Decoder {
    Identity(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
    /// Deflate, until the first two bytes tell which of two formats it is.
    Deflate(Vec<u8>, Capped),
    Zlib(Box<ZlibDecoder<Capped>>),
    RawDeflate(Box<DeflateDecoder<Capped>>),
    /// Something was wrong; only here because a decoder has to be taken out to be replaced.
    Spent,
}

impl Body {
    /// A body that is decoded as `headers` say.
    ///
    /// # Errors
    /// [`BodyError::UnknownEncoding`]: only gzip is asked for, and deflate is tolerated.
    pub(crate) fn new(headers: &HeaderMap, most_wire: usize, most_decoded: usize) -> Result<Self, BodyError> {
        let capped = Capped { bytes: Vec::new(), most: most_decoded };
        let encodings: Vec<&str> = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(str::trim)
            .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
            .collect();
        let decoder = match encodings.as_slice() {
            [] => Decoder::Identity(capped),
            [one] if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") => {
                Decoder::Gzip(Box::new(MultiGzDecoder::new(capped)))
            }
            [one] if one.eq_ignore_ascii_case("deflate") => Decoder::Deflate(Vec::new(), capped),
            others => return Err(BodyError::UnknownEncoding(others.join(", "))),
        };
        Ok(Self { decoder, wire_left: most_wire, is_empty: true })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// When a limit is passed, or the piece cannot be decoded. The body is of no use afterwards.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.wire_left = self.wire_left.checked_sub(piece.len()).ok_or(BodyError::TooLarge)?;
        if piece.is_empty() {
            return Ok(());
        }
        self.is_empty = false;
        match &mut self.decoder {
            Decoder::Identity(capped) => capped.write_all(piece),
            Decoder::Gzip(decoder) => decoder.write_all(piece),
            Decoder::Zlib(decoder) => decoder.write_all(piece),
            Decoder::RawDeflate(decoder) => decoder.write_all(piece),
            Decoder::Deflate(start, _) => {
                start.extend_from_slice(piece);
                if start.len() >= 2 { self.begin_deflate() } else { Ok(()) }
            }
            Decoder::Spent => Err(io::ErrorKind::InvalidData.into()),
        }
        .map_err(|err| explain(&err))
    }

    /// RFC 9110 section 8.4.1.2 says zlib; some servers send bare deflate all the same.
    fn begin_deflate(&mut self) -> io::Result<()> {
        let Decoder::Deflate(start, capped) = std::mem::replace(&mut self.decoder, Decoder::Spent) else {
            return Ok(());
        };
        if is_zlib(&start) {
            let mut decoder = Box::new(ZlibDecoder::new(capped));
            decoder.write_all(&start)?;
            self.decoder = Decoder::Zlib(decoder);
        } else {
            let mut decoder = Box::new(DeflateDecoder::new(capped));
            decoder.write_all(&start)?;
            self.decoder = Decoder::RawDeflate(decoder);
        }
        Ok(())
    }

    /// The whole body, decoded.
    ///
    /// # Errors
    /// When what came is not all of it, or the last of it passes a limit.
    pub(crate) fn finish(self) -> Result<Bytes, BodyError> {
        if self.is_empty {
            // The answer to a HEAD says how the body would be encoded, and has none.
            return Ok(Bytes::new());
        }
        let capped = match self.decoder {
            Decoder::Identity(capped) => Ok(capped),
            Decoder::Gzip(decoder) => decoder.finish(),
            Decoder::Zlib(decoder) => decoder.finish(),
            Decoder::RawDeflate(decoder) => decoder.finish(),
            Decoder::Deflate(..) | Decoder::Spent => Err(io::ErrorKind::InvalidData.into()),
        };
        capped.map(|capped| capped.bytes.into()).map_err(|err| explain(&err))
    }
}

/// The two bytes in front of a zlib stream: compression method 8, and a checksum over both (RFC 1950 section 2.2).
fn is_zlib(start: &[u8]) -> bool {
    match start {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) * 256 + u16::from(*flags)).is_multiple_of(31),
        _ => false,
    }
}

/// Where decoded bytes go, as long as there is room.
struct Capped {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Only [`Capped`] says that something is too large; every other complaint is a decoder's.
fn explain(err: &io::Error) -> BodyError {
    match err.kind() {
        io::ErrorKind::FileTooLarge => BodyError::TooLarge,
        _ => BodyError::Corrupt,
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoding: &str, wire: &[u8], piece: usize, most: usize) -> Result<Bytes, BodyError> {
        let mut headers = HeaderMap::new();
        if !encoding.is_empty() {
            headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        }
        let mut body = Body::new(&headers, most, most)?;
        for piece in wire.chunks(piece) {
            body.push(piece)?;
        }
        body.finish()
    }

    #[test]
    fn bodies_are_decoded_however_they_are_cut() {
        let text = b"{\"name\":\"acme/diun\",\"tags\":[\"latest\",\"1.0.0\"]}".as_slice();
        let twice = [gzip(&text[..10]), gzip(&text[10..])].concat();
        let check = |encoding: &str, wire: &[u8]| {
            for piece in [1, 2, 3, 7, 1000] {
                assert_eq!(
                    decode(encoding, wire, piece, MIB).as_deref(),
                    Ok(text),
                    "{encoding}, {piece} bytes at a time"
                );
            }
        };
        check("", text);
        check("identity", text);
        check("gzip", &gzip(text));
        check("X-GZIP", &gzip(text));
        check("gzip", &twice);
        check("deflate", &zlib(text));
        check("deflate", &deflate(text));
        assert_eq!(decode("gzip", b"", 1, MIB).as_deref(), Ok(b"".as_slice()), "the answer to a HEAD");
    }

    #[test]
    fn broken_bodies_are_refused() {
        let check = |encoding: &str, wire: &[u8], expected: BodyError| {
            assert_eq!(decode(encoding, wire, 5, MIB), Err(expected), "{encoding} {wire:?}");
        };
        let packed = gzip(b"hello, hello, hello");
        check("gzip", &packed[..packed.len() - 9], BodyError::Corrupt);
        check("gzip", &packed[..packed.len() - 1], BodyError::Corrupt);
        check("gzip", b"plain text", BodyError::Corrupt);
        check("deflate", &zlib(b"hello")[..6], BodyError::Corrupt);
        check("deflate", b"x", BodyError::Corrupt);
        check("br", b"x", BodyError::UnknownEncoding("br".to_owned()));
        check("gzip, gzip", &gzip(&packed), BodyError::UnknownEncoding("gzip, gzip".to_owned()));
    }

    #[test]
    fn limits_hold_to_the_byte_on_the_wire_and_decoded() {
        let check = |encoding: &str, wire: &[u8], most: usize, expected: Result<usize, BodyError>| {
            assert_eq!(decode(encoding, wire, 4096, most).map(|body| body.len()), expected, "{encoding}, {most}");
        };
        check("", &[7; 1000], 1000, Ok(1000));
        check("", &[7; 1001], 1000, Err(BodyError::TooLarge));
        check("gzip", &gzip(&vec![0; MIB]), MIB, Ok(MIB));
        check("gzip", &gzip(&vec![0; MIB]), MIB - 1, Err(BodyError::TooLarge));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 64 * MIB]);
        assert!(bomb.len() < MIB, "or the wire limit would catch it");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        let mut body = Body::new(&headers, MIB, MIB).unwrap();
        assert_eq!(body.push(&bomb), Err(BodyError::TooLarge));
        let Decoder::Gzip(decoder) = body.decoder else { panic!("still the gzip decoder") };
        assert!(decoder.get_ref().bytes.capacity() <= 2 * MIB, "{} bytes", decoder.get_ref().bytes.capacity());
    }
}
