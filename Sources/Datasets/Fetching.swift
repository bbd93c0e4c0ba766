#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Fetching the files of a data set. The program `curl` does it: it knows proxies, certificates, resuming and progress
/// bars, needs no header to build with, and is on most machines.
extension NamedDataset {
  /// Puts the files that are missing or not right into `folder`, or `fetchFolder`, and answers which folder that is. Each
  /// is checked, then renamed, so that a file under its name is whole; what was fetched of one goes on where it was cut.
  ///
  /// Mirrors are tried in their order, or only `$SWITCHBACK_MIRROR/<name>` where that is set. Two at once wait for each
  /// other. `say` gets what is done, in lines.
  @discardableResult
  public func fetch(
    into folder: String? = nil, showsProgress: Bool = false, say: (String) -> Void = { _ in }
  ) throws(DatasetError) -> String {
    guard let folder = folder ?? fetchFolder else {
      throw DatasetError(
        .invalid, "there is no folder to fetch \(name) into: set $SWITCHBACK_DATA, $XDG_CACHE_HOME or $HOME")
    }
    try Self.makeFolder(folder)
    let lock = open(folder + "/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw Self.failure(folder) }
    defer { close(lock) }
    if flock(lock, LOCK_EX | LOCK_NB) != 0 {
      say("another process fetches \(name); waiting for it")
      while flock(lock, LOCK_EX) != 0, errno == EINTR {}
    }
    if let archive {
      let checks = try verify(folder: folder)
      if checks.contains(where: { $0.state == .missing || $0.state == .different }) {
        try fetch(archive, into: folder, showsProgress, say)
      }
    } else {
      for file in files where try check(file, at: Self.path(of: file.name, in: folder)).state != .right {
        try download(file.name + ".gz", into: folder, showsProgress, say) { path throws(DatasetError) in
          let check = try self.check(file, at: path)
          return check.state == .right ? nil : check.words
        }
      }
    }
    return folder
  }

  private func fetch(
    _ archive: Archive, into folder: String, _ showsProgress: Bool, _ say: (String) -> Void
  ) throws(DatasetError) {
    try download(archive.name, into: folder, showsProgress, say) { path throws(DatasetError) in
      let found = try Checksum.md5(of: path)
      return found == archive.md5 ? nil : "MD5 should be \(archive.md5), but is \(found)"
    }
    let (packed, unpacked) = (folder + "/" + archive.name, folder + "/.unpacked")
    _ = try Subprocess.run(["rm", "-rf", "--", unpacked])
    try Self.makeFolder(unpacked)
    let status = try Subprocess.run(["tar", "-xzf", packed, "-C", unpacked, "--strip-components=1"]).status
    guard status == 0 else {
      throw DatasetError(.corrupt, "\(packed) cannot be unpacked (tar ended with \(status)): is the disk full?")
    }
    for check in try verify(folder: unpacked) where check.state == .missing || check.state == .different {
      throw DatasetError(.corrupt, "\(packed) holds other files than expected: \(check.words)")
    }
    let moved = try Subprocess.run(["sh", "-c", "mv -f -- \"$1\"/* \"$2\" && rm -rf -- \"$1\"", "sh", unpacked, folder])
    guard moved.status == 0 else { throw Self.failure(folder) }
    unlink(packed)
  }

  /// Fetches one file; `problem` says what is wrong with it.
  private func download(
    _ file: String, into folder: String, _ showsProgress: Bool, _ say: (String) -> Void,
    problem: (String) throws(DatasetError) -> String?
  ) throws(DatasetError) {
    let (target, partial) = (folder + "/" + file, folder + "/partial-" + file)
    var failures: [String] = []
    for mirror in Self.variable("SWITCHBACK_MIRROR").map({ [$0 + "/" + name] }) ?? mirrors {
      let url = mirror + "/" + file
      say("fetching \(url)")
      let hadPart = access(partial, F_OK) == 0
      var failure = try Self.curl(url, to: partial, showsProgress)
      if failure == nil { failure = try problem(partial) }
      if failure != nil, hadPart {
        // The part may be of another file, or the server cannot go on within one.
        unlink(partial)
        failure = try Self.curl(url, to: partial, showsProgress)
        if failure == nil { failure = try problem(partial) }
      }
      guard let failure else {
        guard rename(partial, target) == 0 else { throw Self.failure(target) }
        return
      }
      failures.append("\(url): \(failure)")
    }
    throw DatasetError(
      .missing,
      "\(name) could not be fetched (\(failures.joined(separator: "; "))). Where there is no network, put the files "
        + (archive.map { "of \($0.name), unpacked, that is " } ?? "")
        + files.map { $0.name + (archive == nil ? ".gz" : "") }.joined(separator: ", ")
        + " into \(folder), or into a folder that --data or $SWITCHBACK_DATA names")
  }

  /// Why `url` could not be fetched, if it could not; a connection that was cut leaves its part.
  private static func curl(_ url: String, to path: String, _ showsProgress: Bool) throws(DatasetError) -> String? {
    let result = try Subprocess.run(
      [
        "curl", "--fail", "--location", "--connect-timeout", "20", "--speed-limit", "1", "--speed-time", "60",
        "--continue-at", "-", "--output", path, "--write-out", "%{errormsg}",
        showsProgress ? "--progress-bar" : "--silent", url,
      ])
    guard result.status != 0 else { return nil }
    return result.output.isEmpty ? "curl ended with \(result.status)" : result.output
  }

  private static func makeFolder(_ folder: String) throws(DatasetError) {
    var path = folder.hasPrefix("/") ? "" : "."
    for part in folder.split(separator: "/") {
      path += "/" + part
      guard mkdir(path, 0o755) == 0 || errno == EEXIST || access(path, F_OK) == 0 else { throw failure(folder) }
    }
  }

  private static func failure(_ path: String) -> DatasetError {
    DatasetError(.unwritable, "\(path) cannot be written: \(String(cString: strerror(errno)))")
  }
}
