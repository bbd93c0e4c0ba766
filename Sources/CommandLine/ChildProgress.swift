import Foundation

/// The child's side of the file in which it tells its parent what it is about to do (`ChildProcess`).
struct ChildProgress {
  init() {
    // Its own children have no use for it.
    _ = fcntl(ChildProcess.progressDescriptor, F_SETFD, FD_CLOEXEC)
  }

  /// In place of what was told before. The parent has seen to it that there is room.
  func tell(_ words: String) {
    let text = Array(words.utf8)
    _ = pwrite(ChildProcess.progressDescriptor, text, text.count, 0)
    ftruncate(ChildProcess.progressDescriptor, off_t(text.count))
  }
}
