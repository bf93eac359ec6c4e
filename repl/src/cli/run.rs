//! `jetvm run`.
use super::args::RunArgs;
use crate::render::Style;
pub(super) fn run(_: &RunArgs, _: Style) -> u8 {
    0
}
