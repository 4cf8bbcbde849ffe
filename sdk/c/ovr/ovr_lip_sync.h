/* ovr_lip_sync.h: the calls of OVRLipSync, answered by frame_stream. For projects that have them and want out of it.
 *
 *     ovrLipSync_SetModel("model.pte");                       ours: which artefact speaks; once, Shutdown keeps it 
 *     ovrLipSync_Initialize(48000, 1024);
 *     ovrLipSync_CreateContextEx(&context, ovrLipSyncContextProvider_Enhanced, 0, false);
 *     each block:  ovrLipSync_ProcessFrameEx(context, samples, 1024, ovrLipSyncAudioDataType_F32_Mono, &frame);
 *
 * Fifteen weights in the known order, none negative, together 1; nothing is calibrated, on any system that frame_stream
 * runs on. The same again as ovrLipSyncDll_..., which the Unity package asks for, in a library of the same name. What
 * differs: CreateContextWithModelFile takes our artefact; frameDelay is in milliseconds and true; laughter is 0; blocks
 * of any length are taken, and the viseme signals set a weight that stays until it is set off.
 *
 * Threads: as frame_stream's streams, one context on one thread at a time. The list of contexts is the process's own,
 * because these calls name contexts by number. */
#ifndef OVR_LIP_SYNC_H
#define OVR_LIP_SYNC_H

#include <stdbool.h>

#if defined(_WIN32) && defined(OVR_BUILDING_LIBRARY)
#define OVR_API __declspec(dllexport)
#elif defined(_WIN32)
#define OVR_API __declspec(dllimport)
#else
#define OVR_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned int ovrLipSyncContext;

typedef enum {
  ovrLipSyncSuccess = 0,
  ovrLipSyncError_Unknown = -2200,
  ovrLipSyncError_CannotCreateContext = -2201,
  ovrLipSyncError_InvalidParam = -2202,
  ovrLipSyncError_BadSampleRate = -2203,
  ovrLipSyncError_MissingDLL = -2204,
  ovrLipSyncError_BadVersion = -2205,
  ovrLipSyncError_UndefinedFunction = -2206
} ovrLipSyncResult;

typedef enum {
  ovrLipSyncViseme_sil, ovrLipSyncViseme_PP, ovrLipSyncViseme_FF, ovrLipSyncViseme_TH, ovrLipSyncViseme_DD,
  ovrLipSyncViseme_kk, ovrLipSyncViseme_CH, ovrLipSyncViseme_SS, ovrLipSyncViseme_nn, ovrLipSyncViseme_RR,
  ovrLipSyncViseme_aa, ovrLipSyncViseme_E, ovrLipSyncViseme_ih, ovrLipSyncViseme_oh, ovrLipSyncViseme_ou,
  ovrLipSyncViseme_Count
} ovrLipSyncViseme;

typedef enum {
  ovrLipSyncSignals_VisemeOn,        /* arg1: viseme, arg2: ignored; its weight is 1 until it is off */
  ovrLipSyncSignals_VisemeOff,       /* arg1: viseme */
  ovrLipSyncSignals_VisemeAmount,    /* arg1: viseme, arg2: 0 to 100, its weight until it is off */
  ovrLipSyncSignals_VisemeSmoothing, /* arg1: 1 to 100, how much of what was shown stays from block to block */
  ovrLipSyncSignals_LaughterAmount,  /* nothing */
  ovrLipSyncSignals_Count
} ovrLipSyncSignals;

typedef enum {
  ovrLipSyncContextProvider_Original,
  ovrLipSyncContextProvider_Enhanced,
  ovrLipSyncContextProvider_EnhancedWithLaughter
} ovrLipSyncContextProvider;

typedef enum {
  ovrLipSyncAudioDataType_S16_Mono,
  ovrLipSyncAudioDataType_S16_Stereo,
  ovrLipSyncAudioDataType_F32_Mono,
  ovrLipSyncAudioDataType_F32_Stereo
} ovrLipSyncAudioDataType;

typedef struct {
  int frameNumber; /* of the blocks of this context, from 1 */
  int frameDelay;  /* milliseconds by which the weights follow the sound */
  float* visemes;
  unsigned int visemesLength;
  float laughterScore;
  float* laughterCategories;
  unsigned int laughterCategoriesLength;
} ovrLipSyncFrame;

/* Ours: the artefact of contexts that name none. ovrLipSyncError_InvalidParam: it cannot be played. */
OVR_API ovrLipSyncResult ovrLipSync_SetModel(const char* path);
/* Ours: why the last call of this thread that failed did, in words. */
OVR_API const char* ovrLipSync_LastError(void);

OVR_API ovrLipSyncResult ovrLipSync_Initialize(int sampleRate, int bufferSize);
OVR_API ovrLipSyncResult ovrLipSync_Shutdown(void);
OVR_API const char* ovrLipSync_GetVersion(int* major, int* minor, int* patch);
OVR_API ovrLipSyncResult ovrLipSync_CreateContext(ovrLipSyncContext* context, ovrLipSyncContextProvider provider);
OVR_API ovrLipSyncResult ovrLipSync_CreateContextEx(ovrLipSyncContext* context, ovrLipSyncContextProvider provider,
                                                    int sampleRate, bool enableAcceleration);
OVR_API ovrLipSyncResult ovrLipSync_CreateContextWithModelFile(ovrLipSyncContext* context,
                                                               ovrLipSyncContextProvider provider,
                                                               const char* modelPath, int sampleRate,
                                                               bool enableAcceleration);
OVR_API ovrLipSyncResult ovrLipSync_DestroyContext(ovrLipSyncContext context);
OVR_API ovrLipSyncResult ovrLipSync_ResetContext(ovrLipSyncContext context);
OVR_API ovrLipSyncResult ovrLipSync_SendSignal(ovrLipSyncContext context, ovrLipSyncSignals signal, int arg1, int arg2);
/* bufferSize samples as Initialize had it, float; interleaved: of two channels. */
OVR_API ovrLipSyncResult ovrLipSync_ProcessFrame(ovrLipSyncContext context, const float* audio, ovrLipSyncFrame* frame);
OVR_API ovrLipSyncResult ovrLipSync_ProcessFrameInterleaved(ovrLipSyncContext context, const float* audio,
                                                            ovrLipSyncFrame* frame);
/* sampleCount: of each channel. */
OVR_API ovrLipSyncResult ovrLipSync_ProcessFrameEx(ovrLipSyncContext context, const void* audio, int sampleCount,
                                                   ovrLipSyncAudioDataType type, ovrLipSyncFrame* frame);

OVR_API int ovrLipSyncDll_Initialize(int sampleRate, int bufferSize);
OVR_API void ovrLipSyncDll_Shutdown(void);
OVR_API const char* ovrLipSyncDll_GetVersion(int* major, int* minor, int* patch);
OVR_API int ovrLipSyncDll_CreateContext(unsigned int* context, int provider);
OVR_API int ovrLipSyncDll_CreateContextEx(unsigned int* context, int provider, int sampleRate, bool enableAcceleration);
OVR_API int ovrLipSyncDll_CreateContextWithModelFile(unsigned int* context, int provider, const char* modelPath,
                                                     int sampleRate, bool enableAcceleration);
OVR_API int ovrLipSyncDll_DestroyContext(unsigned int context);
OVR_API int ovrLipSyncDll_ResetContext(unsigned int context);
OVR_API int ovrLipSyncDll_SendSignal(unsigned int context, int signal, int arg1, int arg2);
OVR_API int ovrLipSyncDll_ProcessFrameEx(unsigned int context, const void* audio, unsigned int sampleCount, int type,
                                         int* frameNumber, int* frameDelay, float* visemes, int visemeCount,
                                         float* laughterScore, float* laughterCategories, int laughterCategoriesLength);

#ifdef __cplusplus
}
#endif
#endif
