import Foundation
import SwitchbackABI
import SwitchbackBackendKit
import Testing

/// The host's store as a plugin sees it: through the table.
@Suite struct HostStoreTests {
  private func remember(_ host: HostServices, _ key: String, _ bytes: [UInt8]) -> sb_status {
    host.table.pointee.remember(host.table.pointee.`self`, key, bytes, UInt64(bytes.count))
  }

  private func recall(_ host: HostServices, _ key: String, room: Int) -> (status: sb_status, bytes: [UInt8], size: Int)
  {
    var bytes = [UInt8](repeating: 0, count: max(room, 1))
    var count = UInt64(room)
    let status = host.table.pointee.recall(host.table.pointee.`self`, key, &bytes, &count)
    return (status, Array(bytes.prefix(Int(min(count, UInt64(room))))), Int(count))
  }

  private func folder() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("store-" + UUID().uuidString + "/deep/er").path
  }

  @Test("what one host remembers the next one recalls, for any bytes of a key")
  func persists() throws {
    let folder = folder()
    let first = try HostServices(workers: 1, store: folder)
    #expect(recall(first, "wisdom", room: 8).status == sb_status(SB_END))
    #expect(remember(first, "wisdom", [1, 2, 3]) == sb_status(SB_OK))
    #expect(remember(first, "../../ä b", [9]) == sb_status(SB_OK))
    #expect(remember(first, "wisdom", [4, 5, 6, 7]) == sb_status(SB_OK))
    #expect(remember(first, "nothing", []) == sb_status(SB_OK))
    let second = try HostServices(workers: 1, store: folder)
    #expect(recall(second, "wisdom", room: 8).bytes == [4, 5, 6, 7])
    #expect(recall(second, "../../ä b", room: 1).bytes == [9])
    #expect(recall(second, "nothing", room: 4).status == sb_status(SB_OK))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
  }

  @Test("too little room gives the size; a changed file counts as none; a senseless key is refused")
  func faults() throws {
    let folder = folder()
    let host = try HostServices(workers: 1, store: folder)
    #expect(remember(host, "k", [1, 2, 3]) == sb_status(SB_OK))
    let small = recall(host, "k", room: 2)
    #expect(small.status == sb_status(SB_INVALID) && small.size == 3)
    #expect(remember(host, "", [1]) == sb_status(SB_INVALID))
    #expect(remember(host, String(repeating: "x", count: 101), [1]) == sb_status(SB_INVALID))
    let file = try FileManager.default.contentsOfDirectory(atPath: folder)[0]
    var bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(fileURLWithPath: folder + "/" + file))
    #expect(recall(try HostServices(workers: 1, store: folder), "k", room: 8).status == sb_status(SB_END))
  }

  @Test("without a folder, or with one that cannot be written, it is kept for the process")
  func memoryOnly() throws {
    for folder in [nil, "/proc/none"] {
      let host = try HostServices(workers: 1, store: folder)
      #expect(remember(host, "k", [1]) == sb_status(SB_OK))
      #expect(recall(host, "k", room: 1).bytes == [1])
      #expect(recall(try HostServices(workers: 1, store: folder), "k", room: 1).status == sb_status(SB_END))
    }
  }
}
