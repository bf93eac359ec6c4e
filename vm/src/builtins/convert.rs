//! Builtins between text and numbers or characters, and formatting.

use jet_bytecode::opcodes::TrapKind;

use super::builtins;
use crate::format::{self, Spec};
use crate::slow::{Done, Vm};

fn ch(x: u64) -> char {
    char::from_u32(x as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// What a text is in a message: short, quoted.
fn excerpt(text: &str) -> String {
    let mut cut: String = text.chars().take(40).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format::quote_str(&cut)
}

impl Vm<'_> {
    /// Parses the specification in argument 1, charging for the width.
    fn spec(&mut self, reg: usize) -> Done<Spec> {
        match Spec::parse(self.text(reg)) {
            Ok(spec) => {
                let work = spec.width.max(spec.precision.unwrap_or(0)) as u64;
                self.charge_result(work)?;
                Ok(spec)
            }
            Err(why) => {
                let text = excerpt(self.text(reg));
                Err(self.trap(
                    TrapKind::Panic,
                    format!("format specification {text}: {why}"),
                ))
            }
        }
    }

    fn formatted(&mut self, made: Result<String, &'static str>, spec: usize) -> Done<u64> {
        match made {
            Ok(text) => Ok(self.new_str(&text)?.to_word()),
            Err(why) => {
                let text = excerpt(self.text(spec));
                Err(self.trap(
                    TrapKind::Panic,
                    format!("format specification {text}: {why}"),
                ))
            }
        }
    }
}

builtins! {
    /// `str_is_int`
    IsInt |vm| {
        let [s] = vm.read_args([0])?;
        u64::from(vm.text(s).parse::<i64>().is_ok())
    }
    /// `str_to_int`
    ToInt |vm| {
        let [s] = vm.read_args([0])?;
        match vm.text(s).parse::<i64>() {
            Ok(n) => n as u64,
            Err(_) => {
                let text = excerpt(vm.text(s));
                return Err(vm.trap(TrapKind::Conversion, format!("{text} is not an int")));
            }
        }
    }
    /// `str_is_float`
    IsFloat |vm| {
        let [s] = vm.read_args([0])?;
        u64::from(vm.text(s).parse::<f64>().is_ok())
    }
    /// `str_to_float`
    ToFloat |vm| {
        let [s] = vm.read_args([0])?;
        match vm.text(s).parse::<f64>() {
            Ok(x) => x.to_bits(),
            Err(_) => {
                let text = excerpt(vm.text(s));
                return Err(vm.trap(TrapKind::Conversion, format!("{text} is not a float")));
            }
        }
    }
    /// `int_to_str`
    IntToStr |vm| {
        vm.charge_point(0)?;
        let text = (vm.arg(0) as i64).to_string();
        vm.new_str(&text)?.to_word()
    }
    /// `float_to_str`
    FloatToStr |vm| {
        vm.charge_point(0)?;
        let text = format::float_text(f64::from_bits(vm.arg(0)));
        vm.new_str(&text)?.to_word()
    }
    /// `char_to_str`
    CharToStr |vm| {
        vm.charge_point(0)?;
        let mut buffer = [0; 4];
        vm.new_str(ch(vm.arg(0)).encode_utf8(&mut buffer))?.to_word()
    }
    /// `str_quote`
    StrQuote |vm| {
        let [s] = vm.read_args([0])?;
        let len = format::quoted_len(vm.text(s));
        vm.charge_result(len)?;
        let text = format::quote_str(vm.text(s));
        vm.new_str(&text)?.to_word()
    }
    /// `char_quote`
    CharQuote |vm| {
        vm.charge_point(0)?;
        let text = format::quote_char(ch(vm.arg(0)));
        vm.new_str(&text)?.to_word()
    }
    /// `format_int`
    FormatInt |vm| {
        let [s] = vm.read_args([1])?;
        let spec = vm.spec(s)?;
        let made = spec.int(vm.arg(0) as i64);
        vm.formatted(made, s)?
    }
    /// `format_float`
    FormatFloat |vm| {
        let [s] = vm.read_args([1])?;
        let spec = vm.spec(s)?;
        let made = spec.float(f64::from_bits(vm.arg(0)));
        vm.formatted(made, s)?
    }
    /// `format_str`
    FormatStr |vm| {
        let [s, t] = vm.read_args([1, 0])?;
        let spec = vm.spec(s)?;
        let made = spec.str(vm.text(t));
        vm.formatted(made, s)?
    }
    /// `char_to_upper`
    CharToUpper |vm| {
        vm.charge_point(0)?;
        let text: String = ch(vm.arg(0)).to_uppercase().collect();
        vm.new_str(&text)?.to_word()
    }
    /// `char_to_lower`
    CharToLower |vm| {
        vm.charge_point(0)?;
        let text: String = ch(vm.arg(0)).to_lowercase().collect();
        vm.new_str(&text)?.to_word()
    }
    /// `char_to_digit`
    CharToDigit |vm| {
        vm.charge_point(0)?;
        let base = vm.arg(1) as i64;
        match u32::try_from(base) {
            Ok(b) if (2..=36).contains(&b) => {
                ch(vm.arg(0)).to_digit(b).map_or(-1i64 as u64, u64::from)
            }
            _ => {
                let text = format!("base {base}: it must be in 2..=36");
                return Err(vm.trap(TrapKind::Bounds, text));
            }
        }
    }
}
