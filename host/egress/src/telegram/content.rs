//! What stands in a message.

use serde::Deserialize;
use serde_json::Value;
use teloxide::types::{LinkPreviewOptions, MessageEntity};

/// Most UTF-16 code units of a message.
const LONGEST: usize = 4096;

/// The text of a message, with what is special about parts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub(super) text: String,
    /// They count in UTF-16 code units.
    pub(super) entities: Vec<MessageEntity>,
    pub(super) link_preview: Option<LinkPreviewOptions>,
}

impl Content {
    /// A text in which nothing is special.
    pub fn plain(text: &str) -> Self {
        Self { text: within(text, LONGEST).to_owned(), entities: Vec::new(), link_preview: None }
    }

    /// That of a message as it came, if there is a text in it. What is not known to be special is not.
    pub(super) fn of(message: &Value) -> Option<Self> {
        let text = message.get("text")?.as_str()?.to_owned();
        let entities = message.get("entities").and_then(Value::as_array).into_iter().flatten();
        let entities = entities.filter_map(|entity| MessageEntity::deserialize(entity).ok()).collect();
        let link_preview =
            message.get("link_preview_options").and_then(|options| LinkPreviewOptions::deserialize(options).ok());
        Some(Self { text, entities, link_preview })
    }

    /// The text as people see it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with a paragraph below it. If both do not fit in one message, the end of the text makes room.
    #[must_use]
    pub fn with_paragraph(&self, paragraph: &str) -> Self {
        if self.text.is_empty() {
            return Self::plain(paragraph);
        }
        let below = format!("\n\n{}", within(paragraph, LONGEST / 2));
        let kept = within(&self.text, LONGEST - units(&below)).trim_end();
        let length = units(kept);
        let clip = |entity: &MessageEntity| MessageEntity {
            length: entity.length.min(length.saturating_sub(entity.offset)),
            ..entity.clone()
        };
        let entities = self.entities.iter().map(clip).filter(|entity| entity.length > 0).collect();
        Self { text: format!("{kept}{below}"), entities, link_preview: self.link_preview.clone() }
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// As much of the beginning of `text` as fits in `limit` UTF-16 code units.
pub(super) fn within(text: &str, limit: usize) -> &str {
    let mut left = limit;
    let end = text.char_indices().find(|(_, character)| match left.checked_sub(character.len_utf16()) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let check = |text: &str, limit: usize, expected: &str| assert_eq!(within(text, limit), expected);
        check("abc", 3, "abc");
        check("abc", 2, "ab");
        check("", 0, "");
        check("👍👍", 3, "👍");
        check("👍", 1, "");
    }

    #[test]
    fn a_paragraph_stands_below_the_text_and_leaves_its_styles() {
        let content = Content {
            text: "nginx is new\n".to_owned(),
            entities: vec![MessageEntity::bold(0, 5), MessageEntity::code(9, 3)],
            link_preview: None,
        };
        let longer = content.with_paragraph("done");
        assert_eq!((longer.text.as_str(), longer.entities), ("nginx is new\n\ndone", content.entities));
        assert_eq!(Content::plain("").with_paragraph("done"), Content::plain("done"));
    }

    proptest! {
        #[test]
        fn it_always_fits(text in "[a👍\n]{0,3000}", repeated in 1_usize..3, paragraph in "[b👍]{1,3000}", offset in 0_usize..5000, length in 1_usize..5000) {
            let content = Content { text: text.repeat(repeated), entities: vec![MessageEntity::bold(offset, length)], link_preview: None };
            let longer = content.with_paragraph(&paragraph);
            prop_assert!(units(&longer.text) <= LONGEST);
            // Above nothing there is room for more of it.
            let room = if text.is_empty() { LONGEST } else { LONGEST / 2 };
            prop_assert!(longer.text.ends_with(within(&paragraph, room)));
            prop_assert!(longer.entities.iter().all(|entity| entity.offset + entity.length <= units(&longer.text)));
        }
    }
}
