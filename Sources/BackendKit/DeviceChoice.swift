extension ComputeBackend {
  /// The number of the device that a user's word means: a number, a kind (`gpu`), or a part of a device's name, vendor
  /// or driver, in any case. Of several the first; where there is none, an error that lists the devices.
  public func deviceIndex(chosenBy word: String) throws(BackendError) -> Int {
    let devices = try devices()
    let wanted = word.lowercased()
    func first(_ matches: (DeviceInfo) -> Bool) -> Int? { devices.firstIndex(where: matches) }
    let found =
      Int(word).map { devices.indices.contains($0) ? $0 : nil }
      ?? first { $0.kind.lowercased() == wanted }
      ?? first { info in [info.name, info.vendor, info.driver].contains { $0.lowercased().contains(wanted) } }
    guard let found, !word.isEmpty else {
      let list = devices.enumerated().map { index, info in
        "\(index): \(info.name)\(info.kind.isEmpty ? "" : " (\(info.kind))")"
      }
      throw BackendError(
        .unavailable,
        "\(identity.name) has no device \"\(word)\"; choose by number, kind or a part of the name among "
          + list.joined(separator: "; "))
    }
    return found
  }
}

extension BackendError {
  /// An option that a backend does not know is a mistake of the user's, so it is an error, not ignored.
  public static func refuseUnknown(
    _ options: [String: String], known: [String], of backend: String
  ) throws(BackendError) {
    guard let unknown = options.keys.filter({ !known.contains($0) }).min() else { return }
    let words = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
    throw BackendError(.invalid, "\(backend) has no option \(unknown) (\(words))")
  }
}
