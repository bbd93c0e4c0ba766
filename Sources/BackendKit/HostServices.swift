public import SwitchbackABI
import SwitchbackWorkerPool

/// What the host offers to backends: the process's one pool of workers, a log, a small store for tuning results.
///
/// `table` is what crosses the C contract; Swift backends may hand it to C kernels or use the closures here.
public final class HostServices: @unchecked Sendable {
  // Unchecked: pointers to things that live as long as this object and are safe to share by their own rules.
  private let pool: OpaquePointer?
  public let table: UnsafePointer<sb_host>
  public let workers: Int

  /// How many cores this process may use: those of its affinity (`taskset`), or fewer where a control group (a container)
  /// limits its time. More workers than that only wait for each other.
  public static var usableCores: Int { Int(sb_usable_cores("")) }

  /// `workers` threads, the caller's included. `log` receives lines with level 0 (debug), 1 (progress of a slow task; an
  /// empty line ends it) or 2 (warning). What backends remember is kept in `store`, a folder, or without one for this
  /// process only.
  public init(
    workers: Int, store: String? = nil,
    log: @escaping @Sendable (_ level: Int, _ text: String) -> Void = { _, _ in }
  ) throws(BackendError) {
    guard workers >= 1, let pool = sb_pool_create(UInt32(workers)) else {
      throw BackendError(.outOfMemory, "the system gives no \(workers) threads; use fewer (backend.threads)")
    }
    self.pool = pool
    self.workers = workers
    // The table's `self` is the pool, so that parallel, team and scratch need no detour; the log is found beside it.
    let context = Unmanaged.passRetained(HostBox(pool: pool, store: HostStore(folder: store), log: log)).toOpaque()
    let table = UnsafeMutablePointer<sb_host>.allocate(capacity: 1)
    table.initialize(to: sb_host())
    table.pointee.struct_size = UInt32(MemoryLayout<sb_host>.size)
    table.pointee.major = UInt16(SB_MAJOR)
    table.pointee.minor = UInt16(SB_MINOR)
    table.pointee.`self` = context
    table.pointee.workers = UInt32(workers)
    table.pointee.log = { box, level, text in
      guard let box, let text else { return }
      HostBox.from(box).log(Int(level), String(cString: text))
    }
    table.pointee.parallel = { box, items, item, context in
      sb_pool_parallel(UnsafeMutableRawPointer(HostBox.from(box!).pool), items, item, context)
    }
    table.pointee.team = { box, member, context in
      sb_pool_team(UnsafeMutableRawPointer(HostBox.from(box!).pool), member, context)
    }
    table.pointee.barrier = { sb_pool_barrier($0) }
    table.pointee.scratch = { box, worker, bytes in
      sb_pool_scratch(UnsafeMutableRawPointer(HostBox.from(box!).pool), worker, bytes)
    }
    table.pointee.recall = { box, key, bytes, count in
      guard let box, let key, let count else { return sb_status(SB_INVALID) }
      guard let found = HostBox.from(box).store.recall(String(cString: key)) else { return sb_status(SB_END) }
      let room = count.pointee
      count.pointee = UInt64(found.count)
      guard found.count <= room, let bytes else { return sb_status(SB_INVALID) }
      found.withUnsafeBytes { if let base = $0.baseAddress { bytes.copyMemory(from: base, byteCount: $0.count) } }
      return sb_status(SB_OK)
    }
    table.pointee.remember = { box, key, bytes, count in
      guard let box, let key, let bytes, count <= UInt64(Int32.max) else { return sb_status(SB_INVALID) }
      let copy = Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return HostBox.from(box).store.remember(String(cString: key), copy) ? sb_status(SB_OK) : sb_status(SB_INVALID)
    }
    self.table = UnsafePointer(table)
  }

  /// The services of a host on the other side of the C contract, which outlives this object.
  public init(borrowing table: UnsafePointer<sb_host>) {
    self.table = table
    workers = Int(table.pointee.workers)
    pool = nil
  }

  deinit {
    guard let pool else { return }
    Unmanaged<HostBox>.fromOpaque(table.pointee.`self`).release()
    UnsafeMutablePointer(mutating: table).deallocate()
    sb_pool_destroy(pool)
  }

  /// Tells the user something; `level` as for `init`.
  public func log(_ level: Int, _ text: String) { table.pointee.log(table.pointee.`self`, Int32(level), text) }

  /// A worker on which some work has changed the floating-point mode; nil: none. (The caller's own thread is not looked at.)
  public var workerWithOtherFloatMode: Int? { pool.map { Int(sb_pool_strayed($0)) }.flatMap { $0 > 0 ? $0 : nil } }

  /// How often work was forked over the pool: what tests count.
  public var forkCount: Int { pool.map { Int(sb_pool_forks($0)) } ?? 0 }

  /// Bytes that the pool has asked of the system for scratch memory so far.
  public var scratchByteCount: Int { pool.map { Int(sb_pool_scratch_taken($0)) } ?? 0 }

  /// Runs `body(item, worker)` for every item below `items`; an item's worker is fixed by its number.
  public func parallel(_ items: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var fork = Fork(body: body)
      withUnsafeMutablePointer(to: &fork) { pointer in
        table.pointee.parallel(
          table.pointee.`self`, UInt32(items),
          { context, item, worker in
            context!.assumingMemoryBound(to: Fork.self).pointee.body(Int(item), Int(worker))
          }, pointer)
      }
    }
  }

  /// A pointer to a bare closure would box it once more.
  private struct Fork {
    let body: (_ item: Int, _ worker: Int) -> Void
  }
}

/// What the table's `self` points to.
private final class HostBox: Sendable {
  nonisolated(unsafe) let pool: OpaquePointer
  let log: @Sendable (Int, String) -> Void
  let store: HostStore

  init(pool: OpaquePointer, store: HostStore, log: @escaping @Sendable (Int, String) -> Void) {
    self.pool = pool
    self.store = store
    self.log = log
  }

  static func from(_ pointer: UnsafeMutableRawPointer) -> HostBox {
    Unmanaged<HostBox>.fromOpaque(pointer).takeUnretainedValue()
  }
}
