#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tollgate_fuzz::Bodies;

thread_local! {
    static BODIES: RefCell<Bodies> = RefCell::new(Bodies::new());
}

fuzz_target!(|data: &[u8]| BODIES.with_borrow_mut(|bodies| bodies.sim_call(data)));
