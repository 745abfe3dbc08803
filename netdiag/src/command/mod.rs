//! One file a subcommand: wires kernel, decode, analysis and render together.
