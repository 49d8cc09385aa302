//! Tables of the rules: what is asked, and what is said.
