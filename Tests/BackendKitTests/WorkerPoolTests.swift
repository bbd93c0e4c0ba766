import Foundation
import SwitchbackABI
import SwitchbackWorkerPool
import SwitchbackBackendKit
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  @Test("every item runs once, on the worker that its number fixes", arguments: [1, 2, 3], [0, 1, 2, 7, 100])
  func items(workers: Int, items: Int) throws {
    let host = try HostServices(workers: workers)
    let seen = Mutex<[Int: [Int]]>([:])
    host.parallel(items) { item, worker in seen.withLock { $0[item, default: []].append(worker) } }
    seen.withLock { seen in
      #expect(seen.count == items)
      for (item, by) in seen { #expect(by == [item * workers / max(items, 1)]) }
    }
  }

  @Test("a nested loop runs inline and its scratch memory is the worker's own")
  func nested() throws {
    let host = try HostServices(workers: 2)
    let total = Mutex(0)
    host.parallel(4) { _, _ in host.parallel(5) { _, _ in total.withLock { $0 += 1 } } }
    #expect(total.withLock { $0 } == 20)
    #expect(host.forkCount == 1)
  }

  @Test("barriers keep a team in step over thousands of rounds")
  func barriers() throws {
    let host = try HostServices(workers: 3)
    // A worker writes its own round and how many others it saw out of step; only barriers order these accesses, so the
    // thread sanitizer judges the barrier.
    let rounds = UnsafeMutablePointer<Int32>.allocate(capacity: 6)
    rounds.initialize(repeating: 0, count: 6)
    defer { rounds.deallocate() }
    host.table.pointee.team(
      host.table.pointee.`self`,
      { context, worker, workers, team in
        let rounds = context!.assumingMemoryBound(to: Int32.self)
        for round in 1...2000 {
          rounds[Int(worker)] = Int32(round)
          sb_pool_barrier(team)
          for other in 0..<Int(workers) where rounds[other] != Int32(round) { rounds[3 + Int(worker)] += 1 }
          sb_pool_barrier(team)
        }
      }, rounds)
    #expect((0..<6).map { rounds[$0] } == [2000, 2000, 2000, 0, 0, 0])
  }

  @Test("idle workers wake again")
  func wakes() throws {
    let host = try HostServices(workers: 2)
    for _ in 0..<20 {
      let count = Mutex(0)
      host.parallel(2) { _, _ in count.withLock { $0 += 1 } }
      #expect(count.withLock { $0 } == 2)
      usleep(5000)
    }
    #expect(host.forkCount == 20)
  }

  @Test("scratch memory is aligned, its own for each worker, and valid until the fork ends")
  func scratch() throws {
    let host = try HostServices(workers: 2)
    let starts = Mutex<Set<UInt>>([])
    host.parallel(2) { _, worker in
      var blocks: [UnsafeMutableRawPointer] = []
      for size in [100, 5000, 1_000_000] {
        guard let block = host.table.pointee.scratch(host.table.pointee.`self`, UInt32(worker), UInt64(size)) else {
          return
        }
        block.initializeMemory(as: UInt8.self, repeating: UInt8(worker + 1), count: size)
        blocks.append(block)
      }
      let isKept = blocks.allSatisfy { $0.load(as: UInt8.self) == UInt8(worker + 1) && UInt(bitPattern: $0) % 64 == 0 }
      if isKept { starts.withLock { $0.formUnion(blocks.map { UInt(bitPattern: $0) }) } }
    }
    #expect(starts.withLock { $0.count } == 6)
  }
}
