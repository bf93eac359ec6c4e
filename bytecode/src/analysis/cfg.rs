//! Basic blocks of a function and the edges between them.
//!
//! What must stay true: blocks are in code order and cover the code; a block ends behind every
//! instruction that can jump, so a call and its `on_error` are in one block, which the latter ends.

use super::decode::instrs;

/// A basic block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// First word.
    pub start: u32,
    /// Word behind the last.
    pub end: u32,
    /// Blocks that may follow, by index: jump targets, then the fall-through.
    pub succs: Vec<u32>,
}

/// Control-flow graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cfg {
    /// The blocks, in code order.
    pub blocks: Vec<Block>,
}

impl Cfg {
    /// The graph of a function's code. Code that does not decode ends the graph early.
    pub fn new(code: &[u64]) -> Cfg {
        let mut leader = vec![false; code.len() + 1];
        let mut end = 0u32;
        let mut mark = |pc: u32| {
            if let Some(l) = leader.get_mut(pc as usize) {
                *l = true;
            }
        };
        mark(0);
        for instr in instrs(code) {
            let Ok(instr) = instr else { break };
            end = instr.next_pc();
            let mut jumps = !instr.falls_through();
            for t in instr.targets(code) {
                jumps = true;
                mark(t);
            }
            if jumps {
                mark(instr.next_pc());
            }
        }
        let mut blocks: Vec<Block> = Vec::new();
        for instr in instrs(code) {
            let Ok(instr) = instr else { break };
            if leader.get(instr.pc as usize).copied().unwrap_or(false) {
                if let Some(last) = blocks.last_mut() {
                    last.end = instr.pc;
                }
                blocks.push(Block {
                    start: instr.pc,
                    end,
                    succs: Vec::new(),
                });
            }
        }
        let starts: Vec<u32> = blocks.iter().map(|b| b.start).collect();
        let find = |pc: u32| starts.binary_search(&pc).ok().map(|i| i as u32);
        let mut current = 0usize;
        for instr in instrs(code) {
            let Ok(instr) = instr else { break };
            let Some(block) = blocks.get_mut(current) else {
                break;
            };
            block.succs.extend(instr.targets(code).filter_map(find));
            if instr.next_pc() == block.end {
                if instr.falls_through() {
                    block.succs.extend(find(instr.next_pc()));
                }
                current += 1;
            }
        }
        Cfg { blocks }
    }

    /// The block that contains the word at `pc`.
    pub fn block_at(&self, pc: u32) -> Option<usize> {
        let i = self.blocks.partition_point(|b| b.start <= pc);
        let i = i.checked_sub(1)?;
        self.blocks.get(i).filter(|b| pc < b.end).map(|_| i)
    }
}
