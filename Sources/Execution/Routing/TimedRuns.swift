extension ProgramExecutor {
  /// Runs once; adds to each segment the seconds of its run and of the copies that it needs, those at the end of the
  /// run to the last one.
  package func run(clock: () -> Double, addingTo seconds: inout [Double]) throws(ExecutionError) {
    var copying = 0.0
    var last = 0
    try run { (action, body) throws(ExecutionError) in
      let begin = clock()
      try body()
      let time = clock() - begin
      switch action {
      case .copy: copying += time
      case .run(let segment):
        seconds[segment] += time + copying
        (copying, last) = (0, segment)
      }
    }
    if seconds.indices.contains(last) { seconds[last] += copying }
  }
}
