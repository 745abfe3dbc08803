//! What the user typed and, validated, what they meant.
