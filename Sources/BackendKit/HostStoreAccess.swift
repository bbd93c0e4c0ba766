/// The host's store (`sb_host.recall`, `sb_host.remember`) in Swift's words.
extension HostServices {
  /// Results of tuning are small: a host that tells of more is not believed.
  private static let largest: UInt64 = 64 << 20

  /// What was kept under the key, by this process or an earlier one; nil where nothing is known.
  public func recall(_ key: String) -> [UInt8]? {
    var count: UInt64 = 0
    var nothing: UInt8 = 0
    _ = table.pointee.recall(table.pointee.`self`, key, &nothing, &count)
    guard count > 0, count <= Self.largest else { return nil }
    var bytes = [UInt8](repeating: 0, count: Int(count))
    guard table.pointee.recall(table.pointee.`self`, key, &bytes, &count) == 0 else { return nil }
    return Array(bytes.prefix(Int(clamping: count)))
  }

  /// What cannot be kept is made again the next time.
  public func remember(_ key: String, _ bytes: [UInt8]) {
    _ = table.pointee.remember(table.pointee.`self`, key, bytes, UInt64(bytes.count))
  }
}
