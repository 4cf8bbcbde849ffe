// fp_crowd for C#: the hops of many voices or tracks in one call. The fourth part of the binding.
using System;
using System.Runtime.InteropServices;

namespace FrameStream
{
    /// <summary>Runs the hops of many voices of one stream student together: push each, Run once, pull each.</summary>
    public sealed unsafe class Crowd : IDisposable
    {
        private readonly CrowdHandle handle;
        private IntPtr[] handles = new IntPtr[0];

        public Crowd(Model model)
        {
            if (model == null) throw new FrameStreamException(Status.BadArgument, "model is null");
            var error = new ErrorText();
            error.Check(Native.fp_crowd_create(model.Handle, out handle, error.At));
        }

        /// <summary>Run every hop that is due of the first `count` voices; returns how many.</summary>
        public int Run(Voice[] voices, int count)
        {
            CheckCount(voices, count);
            var held = 0;
            try
            {
                for (; held < count; ++held) handles[held] = Hold(voices[held].Handle);
                UIntPtr hops;
                var error = new ErrorText();
                fixed (IntPtr* first = handles)
                    error.Check(Native.fp_crowd_run(handle, first, (UIntPtr)(uint)count, &hops, error.At));
                return (int)hops;
            }
            finally
            {
                for (var i = 0; i < held; ++i) voices[i].Handle.DangerousRelease();
            }
        }

        /// <summary>The same for tracks: run it once before they are pulled for a picture.</summary>
        public int Run(Track[] tracks, int count)
        {
            CheckCount(tracks, count);
            var held = 0;
            try
            {
                for (; held < count; ++held) handles[held] = Hold(tracks[held].Handle);
                UIntPtr hops;
                var error = new ErrorText();
                fixed (IntPtr* first = handles)
                    error.Check(Native.fp_crowd_run_tracks(handle, first, (UIntPtr)(uint)count, &hops, error.At));
                return (int)hops;
            }
            finally
            {
                for (var i = 0; i < held; ++i) tracks[i].Handle.DangerousRelease();
            }
        }

        private void CheckCount(Array voices, int count)
        {
            if (voices == null || count < 0 || count > voices.Length)
                throw new FrameStreamException(Status.BadArgument, "voices is null or shorter than count");
            if (handles.Length < count) handles = new IntPtr[count];
        }

        // Nobody may give it back while the crowd runs.
        private static IntPtr Hold(SafeHandle voice)
        {
            var isHeld = false;
            voice.DangerousAddRef(ref isHeld);
            return voice.DangerousGetHandle();
        }

        public void Dispose() { handle.Dispose(); }
    }
}
