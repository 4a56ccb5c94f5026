"""Parts of libraries that several engines share: CTranslate2's devices, Silero's voice detection."""
